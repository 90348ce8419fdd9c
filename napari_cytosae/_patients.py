"""Patients as the viewer shows them, and how they differ from others; no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._cells import Cell, patient_cells
from napari_cytosae._originals import Original, known_folders, read_original
from napari_cytosae._pictures import AtlasPictures, Pictures

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.cohort import Cohort
    from cytosae_toolkit.explore import Explorer

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


def fitting_cohort(cohort: Cohort, atlas: Atlas) -> Cohort:
    """Return barcodes if they belong to an atlas.

    Raises
    ------
    CytosaeError
        If they are of another SAE, or of named concepts.
    """
    if cohort.by_name or "latent" not in cohort.latents:
        raise CytosaeError(
            "These barcodes are of names, each of several concepts perhaps.", "Make them without --by name."
        )
    if cohort.record.get("sae_fingerprint") != atlas.record["sae_fingerprint"]:
        raise CytosaeError("These barcodes are of another model than the atlas.", "Open those made from this atlas.")
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
