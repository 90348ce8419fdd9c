"""Text columns of an atlas's table of images, read one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.storage import read_element


class ImageTexts:
    """Text columns as plain arrays, each read when it is first asked for; nothing else of the table is read.

    Parameters
    ----------
    group : zarr.Group
        Of the atlas.
    path : Path
        Where it lies, for messages.
    n_images : int
        Rows of the table.
    """

    def __init__(self, group: Any, path: Path, n_images: int) -> None:
        self._group, self._path, self._n_images = group, path, n_images
        self._known: dict[str, NDArray[np.object_]] = {}

    def __getitem__(self, name: str) -> NDArray[np.object_]:
        """Return a column, ``""`` where the text is unknown or there is no such column; ``"id"`` is the index."""
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> NDArray[np.object_]:
        import pandas as pd

        table = self._group["obs"]
        stored = table.attrs["_index"] if name == "id" else name
        if stored not in table:
            return np.full(self._n_images, "", dtype=object)
        values = read_element(self._group, f"obs/{stored}", self._path)
        if isinstance(values, np.ndarray):
            return values.astype(object)
        column = pd.Series(values).astype(object)
        return column.where(column.notna(), "").to_numpy(dtype=object)
