"""Several image sources as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.reading import read_images
from cytosae_toolkit.images.table import ImageTable, Skipped


def read_image_sets(
    sources: Sequence[str | Path],
    *,
    map: Mapping[str, str] | None = None,
    allow_outside: bool = False,
    strict: bool = False,
) -> ImageTable:
    """Read one or several image sources as one table.

    Parameters
    ----------
    sources : sequence of str or Path
        Folders, tables, single images or ``LAYOUT:DIR``; see `read_images`.
    map, allow_outside, strict
        As in `read_images`, applied to each source.

    Returns
    -------
    ImageTable
        Rows in the order of the sources. Where a source has no `dataset` column, the name of its folder stands
        there. The same image in two sources is kept once, under the first.

    Raises
    ------
    CytosaeError
        If there is no source, one cannot be read, or two images that differ have the same id.
    """
    if not sources:
        raise CytosaeError("No images are given.", "Name a folder, a table or LAYOUT:DIR.")
    tables = [read_images(source, map=map, allow_outside=allow_outside, strict=strict) for source in sources]
    return tables[0] if len(tables) == 1 else combine(tables)


def combine(tables: Sequence[ImageTable]) -> ImageTable:
    """Join tables row by row; paths become absolute."""
    keys = [key for table in tables for key in table.content_keys()]
    frame = _none_where_missing(pd.concat([_absolute(table) for table in tables], ignore_index=True))
    first = ~pd.Series(keys).duplicated()
    again = [Skipped(path, "the same image stands in an earlier source") for path in frame["path"][~first]]
    frame, keys = frame[first], [key for key, keep in zip(keys, first, strict=True) if keep]
    clash = frame["id"][frame["id"].duplicated()]
    if len(clash):
        raise CytosaeError(
            f"{len(clash)} image ids stand in more than one source, such as {clash.iloc[0]!r}.",
            "Make the ids unique, or leave the id column out.",
        )
    skipped = [item for table in tables for item in table.skipped] + again
    source = ", ".join(table.source for table in tables)
    n_ignored = sum(table.n_ignored for table in tables)
    return ImageTable(frame, Path("/"), source, skipped=skipped, n_ignored=n_ignored, keys=keys)


def _none_where_missing(frame: pd.DataFrame) -> pd.DataFrame:
    """Put None, as everywhere in image tables, where a source lacks a column of another; pandas puts NaN there."""
    text = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.assign(**{name: frame[name].astype(object).where(frame[name].notna(), None) for name in text})


def _absolute(table: ImageTable) -> pd.DataFrame:
    frame = table.frame.copy()
    frame["path"] = [str(table.path(i)) for i in range(len(table))]
    if "mask" in frame.columns:
        masks = [table.mask_path(i) for i in range(len(table))]
        frame["mask"] = [None if mask is None else str(mask) for mask in masks]
    if not table.has("dataset"):
        frame["dataset"] = table.root.name
    return frame
