"""The image table: which images there are, and what is known about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_path
from cytosae_toolkit.images.decode import Box, decode
from cytosae_toolkit.images.keys import content_keys
from cytosae_toolkit.images.parallel import Progress
from cytosae_toolkit.images.pixels import RGB
from cytosae_toolkit.images.tablefile import cells, row_boxes

Indices = Sequence[int] | npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Skipped:
    """An image that was left out.

    Attributes
    ----------
    path : str
        As given.
    reason : str
        Why, as part of a sentence.
    """

    path: str
    reason: str


class ImageTable:
    """A table of images; one row is one image, or one box of one.

    Made by `read_images`; a table is never changed in place.

    Parameters
    ----------
    frame : DataFrame
        Columns `path` and `id` (str, `id` unique), and those present of `mask`, `x0 y0 x1 y1` (``Int64``,
        missing = whole image), `label`, `patient`, `disease`, `dataset`, `group` (str or None), and others.
    root : Path
        Absolute folder against which relative paths resolve.
    source : str
        Where the table comes from, for people.
    skipped : sequence of Skipped
        Images that were left out on reading.
    n_ignored : int
        Files of the folder that are not images.
    keys : sequence of str, optional
        Content keys of the rows, where they are known already.

    Attributes
    ----------
    frame, root, source, skipped, n_ignored
        As above.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        root: Path,
        source: str,
        *,
        skipped: Sequence[Skipped] = (),
        n_ignored: int = 0,
        keys: Sequence[str] | None = None,
    ) -> None:
        self.frame = frame.reset_index(drop=True)
        self.root = root
        self.source = source
        self.skipped = tuple(skipped)
        self.n_ignored = n_ignored
        self._keys = None if keys is None else list(keys)
        self._paths = cells(self.frame, "path")
        self._masks = cells(self.frame, "mask") if "mask" in self.frame.columns else [None] * len(self.frame)
        self._boxes = row_boxes(self.frame)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        return f"ImageTable({len(self)} images from {self.source})"

    @property
    def ids(self) -> npt.NDArray[np.str_]:
        """Unique image ids, shape ``[n_images]``."""
        return self.frame["id"].to_numpy(dtype=np.str_)

    def has(self, column: str) -> bool:
        """Return whether a column is there with at least one value."""
        return column in self.frame.columns and bool(self.frame[column].notna().any())

    def path(self, i: int) -> Path:
        """Return the absolute path of image i."""
        return self._absolute(self._paths[i])

    def mask_path(self, i: int) -> Path | None:
        """Return the absolute path of the mask of image i, or None."""
        mask = self._masks[i]
        return None if mask is None else self._absolute(mask)

    def box(self, i: int) -> Box | None:
        """Return ``(x0, y0, x1, y1)`` of image i in pixels of the oriented file, half-open, or None."""
        return self._boxes[i]

    def read(self, i: int) -> RGB:
        """Decode image i, cropped to its box.

        Returns
        -------
        ndarray of uint8, shape [height, width, 3]

        Raises
        ------
        UnreadableImage
            The file cannot be decoded, or the box leaves it.
        """
        return decode(self.path(i), self.box(i))

    def content_key(self, i: int) -> str:
        """Return the content key of image i: a hash of file bytes and box, whatever its id."""
        if self._keys is not None:
            return self._keys[i]
        return content_keys([self.path(i)], [self.box(i)])[0]

    def content_keys(self, *, workers: int | None = None, progress: Progress | None = None) -> list[str]:
        """Return the content keys of all rows; files are read once, in threads, and keys remembered."""
        if self._keys is None:
            paths = [self.path(i) for i in range(len(self))]
            self._keys = content_keys(paths, self._boxes, workers=workers, progress=progress)
        return list(self._keys)

    def groups(self) -> npt.NDArray[np.str_]:
        """Return the group of each image, its id where it has none; shape ``[n_images]``."""
        if "group" not in self.frame.columns:
            return self.ids
        groups = self.frame["group"]
        return groups.where(groups.notna(), self.frame["id"]).to_numpy(dtype=np.str_)

    def with_groups(self, groups: Sequence[str] | npt.NDArray[np.str_]) -> ImageTable:
        """Return the same table with this `group` column.

        Raises
        ------
        CytosaeError
            There is not one group per image.
        """
        if len(groups) != len(self):
            raise CytosaeError(f"There are {len(groups)} groups for {len(self)} images.")
        return self.with_column("group", [str(group) for group in groups])

    def with_column(self, name: str, values: Sequence[object] | npt.NDArray[np.generic]) -> ImageTable:
        """Return the same table with a column more, or another one in its place; one value per image."""
        return self._like(self.frame.assign(**{name: list(values)}), self._keys)

    def subset(self, indices: Indices) -> ImageTable:
        """Return the table of some rows, in the order of `indices` (row numbers, or a boolean per row)."""
        rows = np.asarray(indices)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        keys = None if self._keys is None else [self._keys[row] for row in rows]
        return self._like(self.frame.iloc[rows], keys)

    def save(self, file: str | Path) -> None:
        """Write the table as CSV, TSV or Parquet (by the suffix), atomically.

        Paths inside the file's folder are written relative to it, all others absolute, so that they resolve
        from the new place. Ids are written, so they stay the same.

        Raises
        ------
        CytosaeError
            The suffix or the folder is unknown, or the disk is full.
        """
        file = Path(file).absolute()
        if not file.parent.is_dir():
            raise CytosaeError(f"The folder {file.parent} does not exist.", "Create it first.")
        frame = self.frame.copy()
        for column in ("path", "mask"):
            if column in frame.columns:
                frame[column] = [
                    None if path is None else _seen_from(self._absolute(path), file.parent)
                    for path in cells(frame, column)
                ]
        suffix = file.suffix.lower()
        if suffix not in (".csv", ".tsv", ".parquet"):
            raise CytosaeError(f"{file} is not a table format.", "Choose .csv, .tsv or .parquet.")
        with atomic_path(file) as temporary:
            if suffix == ".parquet":
                frame.to_parquet(temporary, index=False)
            else:
                frame.to_csv(temporary, index=False, sep="\t" if suffix == ".tsv" else ",")

    def describe(self) -> str:
        """Say in a few lines what the table holds: numbers of images, labels, patients, what was left out."""
        lines = [f"{len(self)} images from {self.source}"]
        for column in ("label", "patient", "disease", "dataset", "group"):
            if self.has(column):
                lines.append(_counts(column, cells(self.frame, column)))
        if self.skipped:
            first = self.skipped[0]
            lines.append(f"skipped: {len(self.skipped)}, e.g. {first.path}: {first.reason}")
        if self.n_ignored:
            lines.append(f"ignored: {self.n_ignored} files that are not images")
        return "\n".join(lines)

    def _absolute(self, path: str) -> Path:
        return self.root / path

    def _like(self, frame: pd.DataFrame, keys: list[str] | None) -> ImageTable:
        return ImageTable(frame, self.root, self.source, skipped=self.skipped, n_ignored=self.n_ignored, keys=keys)


def _seen_from(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def _counts(column: str, values: list[Any]) -> str:
    counts = Counter(str(value) for value in values if value is not None)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {count}" for name, count in ordered[:8])
    n_missing = len(values) - counts.total()
    tail = f", none for {n_missing}" if n_missing else ""
    return f"{column}: {len(counts)} ({shown}{', …' if len(counts) > 8 else ''}){tail}"
