"""What an atlas will be built from: the run, the images with their sets and groups, the rules, the shard."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.record import sae_fingerprint
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.plugins import build_aggregator, registry

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.aggregator import Aggregator
    from cytosae_toolkit.training.run import Run

BLOCK = 64
"""Images per block, by position in the table; shards are cut between blocks."""
TOP = 10
RESERVOIR = 16
"""Random images per latent whose heat maps are kept, to show what is typical."""


@dataclass(frozen=True)
class Rules:
    """What the numbers of an atlas depend on beside SAE and images.

    Parameters
    ----------
    top : int
        Reference images kept per latent and set.
    aggregator : str
        From patches to the value in `X`.
    aggregator_options : mapping
        Its options.
    """

    top: int = TOP
    aggregator: str = "count"
    aggregator_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise CytosaeError(f"{self.top} reference images per latent are none.", "Ask for one or more with --top.")

    def make(self) -> tuple[Aggregator, dict[str, Any]]:
        """Return the aggregator and the record of the plugin that made it."""
        part = registry().get("aggregator", self.aggregator)
        options = part.parse_options(dict(self.aggregator_options))
        return build_aggregator(part, options), part.record(options)


@dataclass(frozen=True)
class BuildPlan:
    """A build, or one shard of it.

    Parameters
    ----------
    run : Run
        A finished run.
    images : ImageTable
        All images of the build, with the columns `group` and `set`.
    rules : Rules
        References and aggregator.
    shard : (int, int)
        Which part of how many.
    """

    run: Run
    images: ImageTable
    rules: Rules = Rules()
    shard: tuple[int, int] = (0, 1)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows of the image table that belong to this shard, whole blocks of 64."""
        index, count = self.shard
        blocks = -(-len(self.images) // BLOCK)
        first, stop = blocks * index // count * BLOCK, blocks * (index + 1) // count * BLOCK
        return np.arange(first, min(stop, len(self.images)))

    @property
    def set_names(self) -> list[str]:
        """Image sets, by first appearance in the whole table."""
        return [str(name) for name in pd.unique(self.images.frame["set"])]

    def identity(self) -> dict[str, Any]:
        """Return what all shards of one build share, and what a resumed build must not change; JSON-compatible."""
        _, aggregator = self.rules.make()
        return {
            "sae_fingerprint": sae_fingerprint(self.run),
            "images": images_digest(self.images),
            "n_images": len(self.images),
            "sets": self.set_names,
            "top": self.rules.top,
            "aggregator": aggregator,
            "shards": self.shard[1],
        }


def images_digest(images: ImageTable) -> str:
    """Return a hash of the images' content, in table order, with their ids, groups and sets."""
    digest = hashlib.blake2b(digest_size=16)
    frame = images.frame
    for values in zip(images.content_keys(), frame["id"], frame["group"], frame["set"], strict=True):
        digest.update("\0".join(map(str, values)).encode())
    for column in ("label", "patient", "disease", "dataset"):
        if column in frame.columns:
            digest.update("\0".join(map(str, frame[column])).encode())
    return digest.hexdigest()


def prepare_images(images: ImageTable, *, set_name: str | None = None, workers: int | None = None) -> ImageTable:
    """Return the table with the columns `set` and `group` filled.

    The set is the name given, else the column `dataset`, else the name of the source. Where the table knows no
    groups, near-duplicates are looked for, which decodes every image once; an image that cannot be decoded is a group
    of its own.
    """
    return with_sets(with_groups(images, workers=workers), set_name)


def with_sets(images: ImageTable, set_name: str | None = None) -> ImageTable:
    """Return the table with the column `set`; see `prepare_images`."""
    if set_name is None and images.has("dataset"):
        names = images.frame["dataset"]
        sets = names.where(names.notna(), _source_name(images)).astype(str).tolist()
    else:
        sets = [set_name or _source_name(images)] * len(images)
    if any(":" in name or "/" in name for name in sets):
        sets = [name.replace(":", "-").replace("/", "-") for name in sets]  # they become names of arrays
    return images.with_column("set", sets)


def with_groups(images: ImageTable, *, workers: int | None = None) -> ImageTable:
    """Return the table with the column `group`, from near-duplicates where it has none."""
    from cytosae_toolkit.images import check, near_duplicate_groups

    if images.has("group"):
        return images.with_groups(images.groups())
    readable, _ = check(images, workers=workers)
    found = dict(zip(readable.ids.tolist(), near_duplicate_groups(readable, workers=workers), strict=True))
    return images.with_groups([found.get(name, name) for name in images.ids.tolist()])


def _source_name(images: ImageTable) -> str:
    name = Path(str(images.source).rpartition(":")[2]).stem
    return name if name not in ("", ".", "images") else images.root.name or "images"


def parse_shard(shard: Sequence[int]) -> tuple[int, int]:
    """Check a shard ``(i, n)`` with 0 ≤ i < n.

    Raises
    ------
    CytosaeError
        If there is no such shard.
    """
    index, count = shard
    if not 0 <= index < count:
        raise CytosaeError(f"There is no shard {index} of {count}.", f"Shards count from 0 to {count - 1}.")
    return index, count
