"""What patients are classified by: barcodes, and the simpler things that they must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.errors import CytosaeError, nearest

BARCODE = "barcode"
IMAGE_SET = "set"


@dataclass(frozen=True)
class Features:
    """One matrix of patients x features.

    Parameters
    ----------
    name, description : str
        Such as ``"colour"`` and what it is in words.
    values : float64 array [n, k]
        NaN where unknown of a patient, in baselines only.
    columns : int64 array [k]
        For barcodes the columns of the cohort that these are; columns that are 0 in every patient are left out.
    activation, frequency : float64 array [n, k], optional
        For barcodes by latent: of each patient the sum over images of m_i, and the number of images with m_i > 0.
    """

    name: str
    description: str
    values: NDArray[np.float64]
    columns: NDArray[np.int64]
    activation: NDArray[np.float64] | None = None
    frequency: NDArray[np.float64] | None = None

    def rows(self, rows: NDArray[np.int64]) -> Features:
        """Return some of the patients."""
        layers = (None if layer is None else layer[rows] for layer in (self.activation, self.frequency))
        return Features(self.name, self.description, self.values[rows], self.columns, *layers)

    def log10_means(self, train: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return log10 of the mean activation of each latent over some patients, float64 [k].

        The mean over the images on which a latent is active, as everywhere; -inf where it is active on none, and
        +inf for features that are no latents, which no threshold removes.
        """
        if self.activation is None or self.frequency is None:
            return np.full(self.values.shape[1], np.inf)
        taken = np.zeros(len(self.values))
        taken[train] = 1.0
        active, images = taken @ self.activation, taken @ self.frequency
        found = (active > 0) & (images > 0)
        return np.log10(np.divide(active, images, where=found, out=np.zeros_like(active)),
                        where=found, out=np.full_like(active, -np.inf))  # fmt: skip


def barcode_features(cohort: Cohort) -> Features:
    """Return the barcodes as features.

    Raises
    ------
    CytosaeError
        If all patients have the same barcode.
    """
    columns = np.flatnonzero(np.bincount(cohort.barcodes.indices, minlength=cohort.barcodes.shape[1]))
    values = _dense(cohort.barcodes, columns)
    if not len(columns) or not np.ptp(values, axis=0).any():
        raise CytosaeError(
            "All patients have the same barcode: nothing can be learnt from it.",
            "Lower --threshold of `barcodes`, or look at what its images show.",
        )
    mean, frequency = cohort.layer("mean"), cohort.layer("frequency")
    what = "named concepts" if cohort.by_name else "latents"
    description = f"barcodes of {cohort.barcodes.shape[1]:,} {what}"
    if mean is None or frequency is None:
        return Features(BARCODE, description, values, columns)
    cells = cohort.n_cells[:, None].astype(np.float64)
    return Features(
        BARCODE, description, values, columns, _dense(mean, columns) * cells, _dense(frequency, columns) * cells
    )


def _dense(matrix: object, columns: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(matrix[:, columns].toarray(), dtype=np.float64)  # type: ignore[index]


def _table(*names: str) -> Callable[[Cohort], pd.DataFrame | str]:
    def read(cohort: Cohort) -> pd.DataFrame | str:
        tables = [cohort.embedding(name) for name in names]
        missing = [name for name, table in zip(names, tables, strict=True) if table is None]
        if missing:
            return f"the barcodes have no obsm[{missing[0]!r}]"
        return pd.concat([table for table in tables if table is not None], axis=1)

    return read


def _set_identity(cohort: Cohort) -> pd.DataFrame | str:
    if len(set(cohort.sets)) < 2:
        return "all patients come from one image set"
    return pd.get_dummies(pd.Series(cohort.sets), dtype=np.float64)


BASELINES: dict[str, tuple[str, Callable[[Cohort], pd.DataFrame | str]]] = {
    "colour": ("mean colour of the images (9 moments)", _table("colour")),
    "colour-sd": ("mean colour and its spread over cells", _table("colour", "colour_sd")),
    IMAGE_SET: ("which image set a patient comes from", _set_identity),
    "cell-classes": ("differential count: share of each cell label", _table("cell_classes")),
    "mean-patch": ("mean patch embedding of the backbone", _table("mean_patch")),
    "cls": ("mean CLS embedding of the backbone", _table("cls")),
}
"""Name → what it is, and how it is read: a table of patients x features, or why there is none."""

FEATURES = (BARCODE, *BASELINES)


def choose_features(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return which features to use, barcodes first; None means all.

    Raises
    ------
    CytosaeError
        If one is unknown.
    """
    for name in wanted or ():
        if name not in FEATURES:
            raise CytosaeError(f"There are no features {name!r}.", nearest(name, FEATURES))
    return tuple(name for name in FEATURES if wanted is None or name in wanted or name == BARCODE)


def baseline_features(cohort: Cohort, names: Sequence[str]) -> tuple[list[Features], dict[str, str]]:
    """Return the baselines that the barcodes carry, and of the others why not.

    Parameters
    ----------
    cohort : Cohort
        The patients.
    names : sequence of str
        Of `BASELINES`; others are passed over.

    Returns
    -------
    found : list of Features
        A patient of whom one is unknown has NaN there.
    absent : dict of str to str
        Name → reason.
    """
    found, absent = [], {}
    for name in names:
        if name not in BASELINES:
            continue
        description, read = BASELINES[name]
        table = read(cohort)
        if isinstance(table, str):
            absent[name] = table
            continue
        values = table.to_numpy(dtype=np.float64)
        if not np.isfinite(values).any():
            absent[name] = "it is unknown of every patient"
            continue
        found.append(Features(name, description, values, np.arange(values.shape[1])))
    return found, absent
