"""From cells to patients: which images belong to whom, and what is known of each patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

OWN_COLUMNS = (
    "id", "path", "patient", "disease", "label", "dataset", "group", "set", "key", "fvu", "l0", "unlike",
    "nuclear_area", "nc_ratio", "cell_size", "x0", "y0", "x1", "y1",
)  # fmt: skip
"""Columns of an atlas's images that mean something to the toolkit, and are no facts about a patient."""


@dataclass(frozen=True)
class Patients:
    """The patients of an atlas.

    Parameters
    ----------
    obs : pandas.DataFrame
        A row per patient, in the order of their first images; index: patient. Columns `disease` (str or None),
        `n_cells` (images), `n_groups` (distinct cells), `set` (the image set of most of its images), `set_share`,
        `unlike_share`, and every further column that is constant within each patient.
    rows : list of int64 array
        Rows of each patient's images, ascending.
    n_without_patient : int
        Images that name no patient; they are left out.
    """

    obs: pd.DataFrame
    rows: list[NDArray[np.int64]]
    n_without_patient: int


def find_patients(images: pd.DataFrame) -> Patients:
    """Gather the images of each patient.

    Parameters
    ----------
    images : pandas.DataFrame
        As `Atlas.images`.

    Raises
    ------
    CytosaeError
        If no image names a patient, or a patient has two diseases.
    """
    patients = text_column(images, "patient")
    codes, names = pd.factorize(patients, use_na_sentinel=True)
    if not len(names):
        raise CytosaeError(
            "None of the images names a patient.",
            "Give the image table a column `patient` (or --map patient=COLUMN) and build the atlas again.",
        )
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    rows = [np.sort(order[a:b]).astype(np.int64) for a, b in pairwise(starts)]
    return Patients(_describe(images, [str(name) for name in names], rows), rows, int((codes < 0).sum()))


def text_column(images: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return a column as str, None where it is missing, empty, or not there at all."""
    if name not in images.columns:
        return np.full(len(images), None, dtype=object)
    values = images[name].astype(object)
    present = values.notna() & (values.astype(str) != "")
    return np.array([str(v) if p else None for v, p in zip(values, present, strict=True)], dtype=object)


def _describe(images: pd.DataFrame, names: Sequence[str], rows: Sequence[NDArray[np.int64]]) -> pd.DataFrame:
    sets, diseases, groups = (text_column(images, column) for column in ("set", "disease", "group"))
    unlike = images["unlike"].to_numpy(dtype=bool) if "unlike" in images.columns else np.zeros(len(images), dtype=bool)
    major = [_most_frequent(sets[own]) for own in rows]
    table: dict[str, Any] = {
        "disease": _one_disease(names, [diseases[own] for own in rows]),
        "n_cells": np.array([len(own) for own in rows], dtype=np.int64),
        "n_groups": np.array([len(set(groups[own])) for own in rows], dtype=np.int64),
        "set": [name for name, _ in major],
        "set_share": [share for _, share in major],
        "unlike_share": [float(unlike[own].mean()) for own in rows],
    }
    further = images.drop(columns=[name for name in images.columns if name in (*OWN_COLUMNS, *table)])
    return pd.DataFrame(table | _constant_columns(further, rows), index=pd.Index(np.array(names, dtype=object)))


def _most_frequent(values: NDArray[np.object_]) -> tuple[str, float]:
    names, counts = np.unique([value or "" for value in values], return_counts=True)
    best = int(np.argmax(counts))
    return str(names[best]), float(counts[best] / counts.sum())


def _one_disease(names: Sequence[str], diseases: Sequence[NDArray[np.object_]]) -> list[str | None]:
    found = [sorted({value for value in own if value is not None}) for own in diseases]
    several = {name: own for name, own in zip(names, found, strict=True) if len(own) > 1}
    if several:
        name, own = next(iter(several.items()))
        more = f", and {len(several) - 1} patients more have several" if len(several) > 1 else ""
        raise CytosaeError(
            f"Patient {name!r} has {len(own)} diseases: {' and '.join(own)}{more}.",
            "Correct the image table, so that each patient has one, and build the atlas again.",
        )
    return [own[0] if own else None for own in found]


def _constant_columns(images: pd.DataFrame, rows: Sequence[NDArray[np.int64]]) -> dict[str, Any]:
    """Return the columns that hold one value per patient, such as age or sex."""
    return {name: values for name in images.columns if (values := _one_value(images, name, rows)) is not None}


def _one_value(images: pd.DataFrame, name: str, rows: Sequence[NDArray[np.int64]]) -> list[Any] | None:
    if images[name].dtype.kind in "biuf":
        numbers = images[name].to_numpy()
        constant = all(len(np.unique(numbers[own])) == 1 for own in rows)
        return [numbers[own[0]] for own in rows] if constant else None
    texts = text_column(images, name)
    constant = all(len(set(texts[own])) == 1 for own in rows)
    return [texts[own[0]] for own in rows] if constant and any(text is not None for text in texts) else None


def cell_classes(images: pd.DataFrame, patients: Patients) -> pd.DataFrame | None:
    """Return the share of each label among the labelled images of each patient (the differential count).

    Returns
    -------
    pandas.DataFrame or None
        [n_patients, n_labels], rows sum to 1, NaN for a patient without labels; None where there are no labels.
    """
    labels = text_column(images, "label")
    names = sorted({label for label in labels if label is not None})
    if not names:
        return None
    counts = np.array([[np.sum(labels[own] == name) for name in names] for own in patients.rows], dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)
    return pd.DataFrame(shares, index=patients.obs.index, columns=names)
