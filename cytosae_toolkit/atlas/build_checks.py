"""What must not be joined into one atlas: shards of different builds, and images that it has already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cytosae_toolkit.atlas.record import refuse_mismatch
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.part import Part
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.images import ImageTable


def check_parts(parts: Sequence[Part]) -> None:
    """Refuse shards that do not make a whole: of different builds, missing, given twice, or not finished."""
    first = parts[0]
    for part in parts[1:]:
        refuse_mismatch(f"{first.path} and {part.path}", part.plan["sae_fingerprint"], first.plan["sae_fingerprint"])
        for name in ("images", "top", "aggregator", "shards"):
            if part.plan[name] != first.plan[name]:
                raise CytosaeError(
                    f"{first.path} and {part.path} are shards of different builds: their {name} differ.",
                    "Merge shards of one build.",
                )
    found, count = [part.shard[0] for part in parts], first.shard[1]
    missing = sorted(set(range(count)) - set(found))
    if missing or len(found) != count:
        what = f"shards {', '.join(map(str, missing))} of {count} are missing" if missing else "a shard is given twice"
        raise CytosaeError(f"The parts do not make a whole: {what}.", "Name each shard once.")
    for part in parts:
        if not part.complete:
            raise CytosaeError(f"The shard {part.path} is not finished.", "Go on with its command and --resume.")


def refuse_known_sets(atlas: Atlas, table: ImageTable) -> None:
    """Refuse images whose set has the name of one that the atlas has."""
    again = sorted(set(table.frame["set"]) & set(atlas.sets))
    if again:
        raise CytosaeError(
            f"The atlas {atlas.path} has an image set {again[0]!r} already.", "Name the new one with --set NAME."
        )


def refuse_known_images(atlas: Atlas, table: ImageTable, workers: int | None) -> None:
    """Refuse images that the atlas has, before anything is computed: only their files are read."""
    known = atlas.images
    for column, values, what in (
        ("key", table.content_keys(workers=workers), "image"),
        ("id", table.ids.tolist(), "image id"),
    ):
        there = set(known[column].astype(str)) if column in known else set()
        again = [row for row, value in enumerate(values) if value and value in there]
        if again:
            such = f"such as {table.path(again[0]).name} (the same {what})"
            raise CytosaeError(
                f"{len(again)} of the {len(table)} images are in the atlas already, {such}.",
                "Leave them out, or build a new atlas of everything.",
            )
