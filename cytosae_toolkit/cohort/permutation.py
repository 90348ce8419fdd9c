"""Is it better than chance? The whole procedure again, with the labels given to other patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cross_validation import Settings, cross_validate
from cytosae_toolkit.cohort.features import Features
from cytosae_toolkit.cohort.folds import stratified_folds
from cytosae_toolkit.cohort.scores import SCORES, pooled_scores
from cytosae_toolkit.progress import Task


def permuted_scores(
    features: Features,
    codes: NDArray[np.int64],
    n_classes: int,
    *,
    n_folds: int,
    n_repeats: int,
    n_permutations: int,
    seed: int,
    settings: Settings,
    task: Task | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return pooled scores under shuffled labels, float64 [permutations] each.

    In every permutation the labels are shuffled over the patients, and folds (stratified anew), thresholds, scaling
    and models follow from them as from the true ones.
    """
    found: dict[str, list[float]] = {name: [] for name in SCORES}
    for number in range(n_permutations):
        rng = np.random.default_rng([seed, 2, number])
        shuffled = rng.permutation(codes)
        folds = stratified_folds(shuffled, n_folds, n_repeats, int(rng.integers(2**31)))
        result = cross_validate(features, shuffled, n_classes, folds, settings)
        for name, value in pooled_scores(shuffled, result.predicted, n_classes).items():
            found[name].append(value)
        if task is not None:
            task.advance()
    return {name: np.array(values) for name, values in found.items()}


def permutation_p(observed: float, permuted: NDArray[np.float64]) -> float | None:
    """Return (1 + number of permutations that reach the observed score) / (1 + permutations); None without any."""
    if not len(permuted):
        return None
    reached = permuted >= observed - 1e-12  # the same predictions may differ in the last bit of their mean
    return float((1 + reached.sum()) / (1 + len(permuted)))
