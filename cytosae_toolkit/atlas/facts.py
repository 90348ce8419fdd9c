"""The images of an atlas: their table, and what the statistics must know of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import ImageFacts
from cytosae_toolkit.atlas.streaming import hashed_keys
from cytosae_toolkit.errors import CytosaeError

CATEGORIES = ("label", "patient", "disease", "dataset", "set")
NOT_KEPT = ("mask",)
CELL = ("nuclear_area", "nc_ratio", "cell_size")


def join_images(
    tables: Sequence[tuple[pd.DataFrame, dict[str, NDArray[Any]]]],
) -> tuple[pd.DataFrame, dict[str, NDArray[Any]]]:
    """Join the images of several sources.

    Raises
    ------
    CytosaeError
        If there is no image.
    """
    frame = pd.concat([frame for frame, _ in tables], ignore_index=True)
    if not len(frame):
        raise CytosaeError("None of the images can be read.", "Check the files.")
    names = tables[0][1]
    arrays = {name: np.concatenate([arrays[name] for _, arrays in tables if len(arrays[name])]) for name in names}
    return frame, arrays


def image_facts(frame: pd.DataFrame, arrays: dict[str, NDArray[Any]], set_names: Sequence[str]) -> ImageFacts:
    """Return what the statistics must know, in the order of the rows."""
    labels, label_names = _codes(frame, "label")
    patients, _ = _codes(frame, "patient")
    numbers = {name: i for i, name in enumerate(set_names)}
    cell = arrays["cell"]
    return ImageFacts(
        labels=labels,
        label_names=label_names,
        groups=pd.factorize(frame["group"])[0].astype(np.int64),
        sets=np.array([numbers[name] for name in frame["set"]], dtype=np.int32),
        set_names=list(set_names),
        patients=patients,
        colour=arrays["colour"],
        nuclear_area=cell[:, 0],
        nc_ratio=cell[:, 1],
        cell_size=cell[:, 2],
        keys=hashed_keys(frame["key"].tolist()),
    )


def _codes(frame: pd.DataFrame, column: str) -> tuple[NDArray[np.int32], list[str]]:
    if column not in frame.columns:
        return np.full(len(frame), -1, dtype=np.int32), []
    values = frame[column].astype(object).where(frame[column].notna() & (frame[column].astype(str) != ""), None)
    codes, names = pd.factorize(values, use_na_sentinel=True)
    return codes.astype(np.int32), [str(name) for name in names]


def obs_table(frame: pd.DataFrame, arrays: dict[str, NDArray[Any]], out: Path) -> pd.DataFrame:
    """Return `obs`: the image table with paths relative to the atlas's folder, indexed by image id."""
    table = frame.drop(columns=[name for name in NOT_KEPT if name in frame.columns]).copy()
    folder = str(out.parent.resolve())
    table["path"] = [_relative(path, folder) for path in table["path"]]
    for name in ("fvu", "l0", "unlike"):
        table[name] = arrays[name]
    for i, name in enumerate(CELL):
        table[name] = arrays["cell"][:, i]
    for name in table.columns:
        table[name] = _storable(table[name], categorical=name in CATEGORIES)
    return table.set_index("id").rename_axis(None)


def _storable(column: pd.Series[Any], *, categorical: bool) -> pd.Series[Any]:
    if categorical:
        text = column.astype(object).where(column.notna() & (column.astype(str) != ""), None)
        return text.astype("category")
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind in "biuf":
        return column.astype(float) if pd.api.types.is_extension_array_dtype(column.dtype) else column
    return column.astype(object).where(column.notna(), "").map(str)


def _relative(path: str, folder: str) -> str:
    """Return a path as seen from a folder; without `Path`, which would keep every name of a file for good."""
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # another drive
        return path
