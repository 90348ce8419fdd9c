"""Patients as the viewer shows them: of an atlas, or a folder of cells that is read now; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress
from napari_cytosae._cells import Cell, patient_cells
from napari_cytosae._originals import Original, known_folders, read_original
from napari_cytosae._pictures import AtlasPictures, Pictures

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.cohort import Cohort
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.codes import ImageCodes
    from cytosae_toolkit.images import ImageTable

LONGEST_SIDE = 256
"""Of the pictures of a folder's cells that are kept in memory, in pixels."""
_AT_ONCE = 8
ALL_OTHERS = "all other patients"


class Patient(Protocol):
    """Somebody's cells.

    Attributes
    ----------
    name : str
        Of the patient, or of the folder.
    pictures : Pictures
        By the rows of its cells.
    """

    name: str
    pictures: Pictures

    def cells(self, latent: int | None) -> list[Cell]:
        """Return the cells, those first that show a latent most strongly."""

    def barcode(self, cohort: Cohort) -> NDArray[np.float64]:
        """Return the barcode in the columns of a cohort, float64 [d]."""

    def open(self, cell: Cell) -> Original | None:
        """Return a cell to be looked at."""


class AtlasPatient:
    """A patient of an atlas.

    Parameters
    ----------
    atlas : Atlas
        With images that name patients.
    name : str
        Who.
    explorer : Explorer, optional
        Computes the heat maps that the atlas does not keep.
    """

    def __init__(self, atlas: Atlas, name: str, explorer: Explorer | None = None) -> None:
        self._atlas, self.name = atlas, name
        self.pictures: Pictures = AtlasPictures(atlas, explorer)

    def cells(self, latent: int | None) -> list[Cell]:
        """Return the cells, those first that show a latent most strongly."""
        return patient_cells(self._atlas, latent, self.name)

    def barcode(self, cohort: Cohort) -> NDArray[np.float64]:
        """Return its barcode in the cohort.

        Raises
        ------
        CytosaeError
            If the cohort does not know it.
        """
        barcode: NDArray[np.float64] = cohort.barcodes[[cohort.row_of(self.name)]].toarray()[0]
        return barcode

    def open(self, cell: Cell) -> Original | None:
        """Return a cell from its file, else as the atlas holds it."""
        return read_original(self._atlas, cell.row, known_folders(self._atlas))


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


# Barcodes


def fitting_cohort(cohort: Cohort, atlas: Atlas) -> Cohort:
    """Return barcodes if they belong to an atlas.

    Raises
    ------
    CytosaeError
        If they are of another SAE, or of named concepts.
    """
    if cohort.by_name or "latent" not in cohort.latents:
        raise CytosaeError("These barcodes hold named concepts, not latents.", "Make them without --by name.")
    if cohort.record.get("sae_fingerprint") != atlas.record["sae_fingerprint"]:
        raise CytosaeError("These barcodes are of another SAE than the atlas.", "Open those made from this atlas.")
    return cohort


def reference_groups(cohort: Cohort) -> list[str]:
    """Return what a patient can be compared with: all others, or the patients of a disease."""
    known = "disease" in cohort.adata.obs.columns
    diseases: list[str | None] = cohort.column("disease").tolist() if known else []
    return [ALL_OTHERS, *sorted({name for name in diseases if name is not None})]


def outstanding(cohort: Cohort, patient: Patient, group: str = ALL_OTHERS, n: int = 60) -> pd.DataFrame:
    """Return the latents in which a patient differs most from a group of others.

    Parameters
    ----------
    cohort : Cohort
        Of latents.
    patient : Patient
        In it, or not.
    group : str
        One of `reference_groups`.
    n : int
        How many.

    Returns
    -------
    DataFrame
        Index `latent`; columns as `cytosae_toolkit.figures.barcodes.standing_out`.

    Raises
    ------
    CytosaeError
        If nobody else is in the group.
    """
    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

    from cytosae_toolkit.cohort.cohort import Cohort
    from cytosae_toolkit.figures.barcodes import standing_out

    inside = np.ones(len(cohort), dtype=bool) if group == ALL_OTHERS else cohort.column("disease") == group
    inside &= cohort.patients != patient.name
    if not inside.any():
        raise CytosaeError(f"There is nobody else in the group {group}.", "Compare with another one.")
    values = sparse.vstack([sparse.csr_matrix(patient.barcode(cohort)), cohort.barcodes[np.flatnonzero(inside)]])
    obs = pd.DataFrame(index=["", *cohort.patients[inside].tolist()])
    joined = Cohort(AnnData(values.tocsr(), obs=obs, var=cohort.adata.var), None, cohort.record)
    found = standing_out(joined, 0, n)
    found = found[found["score"] != 0]
    latents = cohort.latents["latent"].to_numpy(np.int64)[found["column"].to_numpy()]
    return found.set_index(pd.Index(latents, name="latent"))
