"""How much barcodes depend on the threshold τ: the same cohort at several thresholds, in one pass over the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.patients import find_patients, text_column
from cytosae_toolkit.cohort.recounting import Recoder, counts_above
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.building import Work
    from cytosae_toolkit.atlas.reading import Atlas

TAUS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def threshold_table(
    atlas: Atlas, reference: float, *, thresholds: Sequence[float] = TAUS, work: Work | None = None
) -> pd.DataFrame:
    """Return what barcodes would be at other thresholds.

    Parameters
    ----------
    atlas : Atlas
        With images that name patients.
    reference : float
        The threshold in use; it gets a row of its own.
    thresholds : sequence of float
        Others, not negative.
    work : Work, optional
        Device, token store, progress.

    Returns
    -------
    pandas.DataFrame
        By threshold: `kept_share` (of the activations of patches), `n_latents` (that any patient shows),
        `latents_per_patient` (mean), `correlation` (mean over patients of Pearson's r between their barcodes at this
        threshold and at the reference), `within_disease`, `between_diseases` (mean Pearson's r of pairs of patients;
        NaN without diseases), `in_use`.

    Raises
    ------
    CytosaeError
        If a threshold is no activation, or tokens are needed again and cannot be had.
    """
    from cytosae_toolkit.atlas.building import Work

    taus = sorted({float(tau) for tau in (*thresholds, reference)})
    if not all(np.isfinite(tau) and tau >= 0 for tau in taus):
        raise CytosaeError("A threshold is an activation: a number from 0 upwards.", f"Given: {taus}.")
    counts, kept = _count(atlas, taus, work or Work())
    diseases = text_column(find_patients(atlas.images).obs, "disease")
    at_reference = counts[taus.index(float(reference))]
    rows = [_row(own.astype(np.float64), at_reference.astype(np.float64), diseases) for own in counts]
    table = pd.DataFrame(rows)
    table.insert(0, "threshold", taus)
    table.insert(1, "kept_share", kept)
    return table.assign(in_use=[tau == float(reference) for tau in taus])


def _count(atlas: Atlas, taus: Sequence[float], work: Work) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the barcodes at each threshold, float32 [n_thresholds, n_patients, d_sae], and the shares kept."""
    from cytosae_toolkit.plugins import create_aggregator

    patients = find_patients(atlas.images)
    recoder = Recoder(atlas, create_aggregator("count"), work)
    counts = np.zeros((len(taus), len(patients.rows), atlas.d_sae), dtype=np.float32)
    kept, active = np.zeros(len(taus)), 0
    with work.progress.task("Trying thresholds", sum(map(len, patients.rows)), "images") as task:
        for patient, rows in enumerate(patients.rows):
            for code in recoder.codes(rows):
                above = counts_above(code, taus)
                counts[:, patient, code.latent] += above
                kept, active = kept + above.sum(axis=1), active + len(code.activation)
                task.advance()
            counts[:, patient] /= len(rows)
    return counts, kept / max(active, 1)


def _row(own: NDArray[np.float64], reference: NDArray[np.float64], diseases: NDArray[np.object_]) -> dict[str, float]:
    within, between = _pairs(own, diseases)
    return {
        "n_latents": int((own > 0).any(axis=0).sum()),
        "latents_per_patient": float((own > 0).sum(axis=1).mean()),
        "correlation": float(np.mean(_row_correlations(own, reference))),
        "within_disease": within,
        "between_diseases": between,
    }


def _row_correlations(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r of each row of a with the same row of b; 0 for a constant row."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    found: NDArray[np.float64] = np.divide((a * b).sum(axis=1), size, out=np.zeros(len(a)), where=size > 0)
    return found


def patient_correlations(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r of every pair of rows, float64 [n, n]; 0 with a constant row, 1 on the diagonal."""
    centred = matrix - matrix.mean(axis=1, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    correlations: NDArray[np.float64] = np.clip(unit @ unit.T, -1, 1)
    np.fill_diagonal(correlations, 1.0)
    return correlations


def _pairs(matrix: NDArray[np.float64], diseases: NDArray[np.object_]) -> tuple[float, float]:
    """Return the mean correlation of pairs of patients of one disease, and of two diseases; NaN without such pairs."""
    known = np.flatnonzero([name is not None for name in diseases])
    correlations, names = patient_correlations(matrix[known]), diseases[known].astype(str)
    upper = np.triu(np.ones((len(known), len(known)), dtype=bool), 1)
    same = names[:, None] == names[None, :]
    found = [correlations[upper & chosen] for chosen in (same, ~same)]
    within, between = (float(values.mean()) if len(values) else float("nan") for values in found)
    return within, between
