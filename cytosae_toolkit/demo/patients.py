"""Patients: diseases as mixtures of cells, and who is examined in which laboratory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.demo.cell_classes import CELL_CLASSES
from cytosae_toolkit.errors import CytosaeError, nearest

DISEASES: dict[str, dict[str, float]] = {
    "healthy": {
        "neutrophil": 0.58, "eosinophil": 0.05, "basophil": 0.03, "lymphocyte": 0.26, "monocyte": 0.08,
    },
    "aml_m3": {
        "neutrophil": 0.10, "lymphocyte": 0.14, "monocyte": 0.04, "blast": 0.12,
        "atypical_promyelocyte": 0.60,
    },
    "eosinophilia": {
        "neutrophil": 0.30, "eosinophil": 0.48, "basophil": 0.06, "lymphocyte": 0.12, "monocyte": 0.04,
    },
    "cll": {
        "neutrophil": 0.12, "eosinophil": 0.01, "basophil": 0.01, "lymphocyte": 0.82, "monocyte": 0.04,
    },
    "acute_leukemia": {
        "neutrophil": 0.12, "eosinophil": 0.02, "lymphocyte": 0.14, "monocyte": 0.06, "blast": 0.66,
    },
}  # fmt: skip
"""The five groups of patients and their typical share of each cell class."""

CONCENTRATION = 30.0
"""How alike the patients of a group are: parameter of the Dirichlet distribution of their mixtures."""


@dataclass(frozen=True)
class Patient:
    """A patient.

    Attributes
    ----------
    name : str
        Such as ``p003``.
    disease : str
        One of `DISEASES`.
    laboratory : str
        Where the smear is stained and photographed.
    mixture : float tuple, one per cell class
        The patient's own share of each of `CELL_CLASSES`.
    """

    name: str
    disease: str
    laboratory: str
    mixture: tuple[float, ...]


def sample_patients(
    n: int,
    rng: np.random.Generator,
    *,
    diseases: Sequence[str],
    laboratories: Sequence[str],
    confounding: float = 0.0,
) -> list[Patient]:
    """Draw patients, the diseases in turn, the laboratories balanced and independent of the disease.

    Parameters
    ----------
    n : int
        How many.
    rng : numpy Generator
        Source of mixtures and laboratories.
    diseases, laboratories : sequence of str
        Names; patient i has disease i modulo their number.
    confounding : float
        Share (0-1) of the patients whose laboratory is fixed by the disease.

    Returns
    -------
    list of Patient

    Raises
    ------
    CytosaeError
        If a disease is unknown.
    """
    for disease in diseases:
        if disease not in DISEASES:
            raise CytosaeError(f"There is no disease {disease!r}.", nearest(disease, list(DISEASES)))
    turns = _laboratory_turns(n, len(diseases), len(laboratories), rng)
    patients = []
    for i in range(n):
        kind = i % len(diseases)
        lab = kind % len(laboratories) if rng.random() < confounding else int(turns[i])
        patients.append(Patient(f"p{i:03d}", diseases[kind], laboratories[lab], sample_mixture(diseases[kind], rng)))
    return patients


def sample_mixture(disease: str, rng: np.random.Generator) -> tuple[float, ...]:
    """Draw a patient's share of each of `CELL_CLASSES` around the disease's typical ones."""
    typical = np.array([DISEASES[disease].get(c, 0.0) for c in CELL_CLASSES])
    mixture = np.zeros(len(CELL_CLASSES))
    mixture[typical > 0] = rng.dirichlet(CONCENTRATION * typical[typical > 0])
    return tuple(float(v) for v in mixture)


def _laboratory_turns(n: int, n_diseases: int, n_laboratories: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a laboratory index per patient: in every disease each laboratory equally often, at random."""
    turns = np.zeros(n, dtype=np.int64)
    for kind in range(n_diseases):
        members = np.arange(kind, n, n_diseases)
        turns[members] = rng.permutation((np.arange(len(members)) + rng.integers(n_laboratories)) % n_laboratories)
    return turns
