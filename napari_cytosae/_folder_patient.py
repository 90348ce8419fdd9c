"""A folder of cells that is read now, shown like a patient of the atlas; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress
from napari_cytosae._cells import Cell
from napari_cytosae._originals import Original
from napari_cytosae._pictures import Pictures

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.cohort import Cohort
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.codes import ImageCodes
    from cytosae_toolkit.images import ImageTable

LONGEST_SIDE = 256
"""Of the pictures of a folder's cells that are kept in memory, in pixels."""
_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class ReadCell:
    """A cell of a folder after its pass through the backbone.

    Parameters
    ----------
    path : Path
        Its file.
    label : str
        "" where unknown.
    picture : uint8 array [h, w, 3]
        Small enough to keep many.
    boxes : float64 array [patches, 4]
        The patches in its pixels.
    codes : ImageCodes
        Its latents.
    """

    path: Path
    label: str
    picture: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    codes: ImageCodes


class FolderPatient:
    """The cells of a folder, taken for one patient's.

    Parameters
    ----------
    name : str
        Of the folder.
    read : sequence of ReadCell
        Its cells.
    n_unreadable : int
        Images that could not be read.
    """

    def __init__(self, name: str, read: list[ReadCell], n_unreadable: int = 0) -> None:
        self.name, self._read, self.n_unreadable = name, read, n_unreadable
        self.pictures: Pictures = self

    def picture(self, row: int) -> NDArray[np.uint8]:
        """Return a picture."""
        return self._read[row].picture

    def heatmap(self, latent: int, row: int) -> NDArray[np.float32]:
        """Return the activation of its patches, float32 [rows, columns]."""
        return self._read[row].codes.heatmap(latent)

    def patch_boxes(self, row: int) -> NDArray[np.float64]:
        """Return the patches in its pixels."""
        return self._read[row].boxes

    def cells(self, latent: int | None) -> list[Cell]:
        """Return the cells, those first that show a latent most strongly."""
        values = [_mean(one.codes, latent) for one in self._read]
        order = np.argsort(-np.array(values), kind="stable")
        return [Cell(i, self._read[i].path.name, self._read[i].label, self.name, "", values[i]) for i in order.tolist()]

    def barcode(self, cohort: Cohort) -> NDArray[np.float64]:
        """Return the mean number of patches above the cohort's τ (Eq. 2 and 3).

        Raises
        ------
        CytosaeError
            If the cohort was not made by counting patches.
        """
        threshold = cohort.record.get("threshold")
        if cohort.record.get("aggregator", {}).get("name") != "count" or threshold is None:
            raise CytosaeError(
                "These barcodes were not made by counting patches; a folder cannot be compared with them.",
                "Make barcodes with the aggregator count.",
            )
        total = np.zeros(self._read[0].codes.d_sae)
        for one in self._read:
            total += np.asarray((one.codes.patches > np.float32(threshold)).sum(axis=0)).ravel()
        columns = cohort.latents["latent"].to_numpy(np.int64)
        return np.asarray((total / len(self._read))[columns])

    def open(self, cell: Cell) -> Original | None:
        """Return a cell from its file."""
        from cytosae_toolkit.images.decode import decode

        path = self._read[cell.row].path
        return Original(decode(path), path) if path.is_file() else Original(self._read[cell.row].picture, None)


def _mean(codes: ImageCodes, latent: int | None) -> float:
    return 0.0 if latent is None else float(codes.tokens[:, [latent]].sum() / codes.tokens.shape[0])


def read_folder(explorer: Explorer, folder: Path, progress: Progress = SILENT) -> FolderPatient:
    """Read a folder of single cells as one patient.

    Parameters
    ----------
    explorer : Explorer
        Reads them.
    folder : Path
        Of images, at any depth; a first level of folders is taken for cell types.
    progress : Progress
        Told after each cell; may end the work by raising.

    Raises
    ------
    CytosaeError
        If there is no image, or none can be read.
    """
    from cytosae_toolkit.images import read_images

    table = read_images(folder)
    read: list[ReadCell] = []
    with progress.task("Reading cells", len(table), "cells") as task:
        for start in range(0, len(table), _AT_ONCE):
            places = range(start, min(start + _AT_ONCE, len(table)))
            read += _read_some(explorer, table, places)
            task.advance(len(places))
    if not read:
        raise CytosaeError(f"No image in {folder} can be read.", "Choose a folder of single cells.")
    return FolderPatient(folder.name or str(folder), read, len(table) - len(read))


def _read_some(explorer: Explorer, table: ImageTable, places: range) -> list[ReadCell]:
    from cytosae_toolkit.images.decode import UnreadableImage

    pixels: dict[int, NDArray[np.uint8]] = {}
    for i in places:
        try:
            pixels[i] = table.read(i)
        except UnreadableImage:
            continue
    loaded = explorer.read_all(list(pixels.values()), [str(table.path(i)) for i in pixels])
    labels = table.frame.get("label")
    return [
        ReadCell(table.path(i), _label(labels, i), *_shrunk(one.image, one.boxes), one.codes)
        for i, one in zip(pixels, loaded, strict=True)
    ]


def _label(labels: Any, i: int) -> str:
    value = None if labels is None else labels.iloc[i]
    return value if isinstance(value, str) else ""


def _shrunk(image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    factor = np.array([small.width / image.shape[1], small.height / image.shape[0]] * 2)
    return np.asarray(small), boxes * factor
