"""A part of an atlas under construction: a folder of blocks, all of a build or one shard of it.

::

    plan.json              which build and shard it belongs to
    images.parquet         its rows of the image table
    blocks/block-….safetensors   64 images each, immutable
    sums-00000012.safetensors    patch sums of all blocks before number 12, replaced from time to time
    part.json              written last: the part is complete
    run/                   config.json, sae.safetensors, evaluation.json
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from safetensors.numpy import load_file, save_file

from cytosae_toolkit.atlas.accumulators import PatchSums
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_path, read_json, write_json

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.training.run import Run

FORMAT = "cytosae-atlas-part"
VERSION = 1
ROWS = 8192
"""Rows of the image table that are written at a time."""
RUN_FILES = ("config.json", "sae.safetensors", "evaluation.json")


class Part:
    """A part folder.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    CytosaeError
        If it is no part.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not (self.path / "plan.json").is_file():
            raise CytosaeError(
                f"{self.path} is not a part of an atlas.", "Name folders made by `atlas build … --shard I/N`."
            )
        self.plan: dict[str, Any] = read_json(self.path / "plan.json")
        if not isinstance(self.plan, dict) or self.plan.get("format") != FORMAT or self.plan.get("version") != VERSION:
            raise CytosaeError(
                f"{self.path} is not a part of an atlas that this program reads.", "Build it again with --force."
            )

    @classmethod
    def create(cls, path: Path, plan: dict[str, Any], images: ImageTable, run: Run) -> Part:
        """Make the folder of a part that has no blocks yet; `plan.json` is written last."""
        (path / "blocks").mkdir(parents=True, exist_ok=True)
        copy_run(run, path / "run")
        with atomic_path(path / "images.parquet") as temporary:
            _write_table(images, temporary)
        write_json(path / "plan.json", {"format": FORMAT, "version": VERSION} | plan)
        return cls(path)

    @property
    def complete(self) -> bool:
        """Whether every block is there."""
        return (self.path / "part.json").is_file()

    @property
    def shard(self) -> tuple[int, int]:
        """Which shard of how many."""
        return int(self.plan["shard"]), int(self.plan["shards"])

    @property
    def first_row(self) -> int:
        """Row of the whole image table at which it begins."""
        return int(self.plan["first_row"])

    def images(self) -> pd.DataFrame:
        """Return its rows of the image table, unreadable ones included; `path` is absolute."""
        return pd.read_parquet(self.path / "images.parquet")

    def block_path(self, block: int) -> Path:
        """Return the file of a block, by its number in the whole build."""
        return self.path / "blocks" / f"block-{block:08d}.safetensors"

    def block_paths(self) -> list[Path]:
        """Return the files of all blocks, in order."""
        return sorted((self.path / "blocks").glob("block-*.safetensors"))

    def save_sums(self, sums: PatchSums, before: int) -> None:
        """Write the sums of all blocks before a number, and forget the older ones."""
        path = self._sums_path(before)
        with atomic_path(path) as temporary:
            save_file(sums.arrays(), temporary)
        for other in self.path.glob("sums-*.safetensors"):
            if other != path:
                other.unlink()

    def load_sums(self, sums: PatchSums) -> int | None:
        """Restore the newest sums and return the block before which they end, or None if there are none."""
        found = sorted(self.path.glob("sums-*.safetensors"))
        if not found:
            return None
        sums.restore(load_file(found[-1]))
        return int(found[-1].stem.rpartition("-")[2])

    def _sums_path(self, before: int) -> Path:
        return self.path / f"sums-{before:08d}.safetensors"

    def finish(self, skipped: list[dict[str, str]]) -> None:
        """Declare the part complete."""
        write_json(self.path / "part.json", {"skipped": skipped})

    @property
    def skipped(self) -> list[dict[str, str]]:
        """Images that could not be read: path and reason."""
        skipped: list[dict[str, str]] = read_json(self.path / "part.json")["skipped"]
        return skipped


def _write_table(images: ImageTable, path: Path) -> None:
    """Write the image table with content keys and absolute paths, some rows at a time."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    images.content_keys()  # computed and remembered for the whole table
    pieces = [range(first, min(first + ROWS, len(images))) for first in range(0, max(1, len(images)), ROWS)]
    frames = (images.frame.iloc[rows.start : rows.stop].assign(key="") for rows in pieces)
    schema = pyarrow.unify_schemas([pyarrow.Schema.from_pandas(frame, preserve_index=False) for frame in frames])
    with ParquetWriter(path, schema) as writer:
        for rows in pieces:
            part = images.subset(rows)
            texts = {"key": part.content_keys(), "path": [str(part.path(i)) for i in range(len(part))]}
            frame = part.frame.assign(**{name: pd.Series(text, dtype=object) for name, text in texts.items()})
            writer.write_table(pyarrow.Table.from_pandas(frame, schema, preserve_index=False))
    pyarrow.default_memory_pool().release_unused()


def copy_run(run: Run, folder: Path) -> None:
    """Copy what makes a run usable for reading, so that an atlas needs nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in RUN_FILES:
        with atomic_path(folder / name) as temporary:
            shutil.copyfile(run.path / name, temporary)
