"""Scores from confusion matrices, and their intervals over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SCORES = ("weighted_f1", "macro_f1", "balanced_accuracy", "accuracy")
LEVEL = 95.0
"""Of all intervals, per cent."""


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """One score of one kind of features.

    Parameters
    ----------
    mean, sd : float
        Over the test folds of all repeats; sd with n - 1. The folds share patients, so the sd is no standard error.
    pooled : float
        Of the out-of-fold predictions of all patients, mean over the repeats.
    low, high : float
        95 % bootstrap interval of `pooled` over patients. It holds for these folds: how much other training patients
        would change the model is not in it.
    p : float or None
        Of a permutation test, (1 + number of permutations that reach `pooled`) / (1 + permutations).
    chance : float or None
        Mean over the permutations.
    """

    mean: float
    sd: float
    pooled: float
    low: float
    high: float
    p: float | None = None
    chance: float | None = None


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix, int64 [c, c]: rows the truth, columns the prediction."""
    counts = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def per_class(matrices: NDArray[np.number]) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall, f1 and support of each class, float64 [..., c], of confusion matrices [..., c, c].

    What has no patients is 0, as in scikit-learn with ``zero_division=0``.
    """
    matrices = np.asarray(matrices, dtype=np.float64)
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    support, called = matrices.sum(axis=-1), matrices.sum(axis=-2)
    return {
        "precision": _ratio(hits, called),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, support + called),
        "support": support,
    }


def scores_of(matrices: NDArray[np.number]) -> dict[str, NDArray[np.float64]]:
    """Return the four scores (`SCORES`), float64 [...], of confusion matrices [..., c, c].

    Means over classes are over those that have patients.
    """
    found = per_class(matrices)
    support, there = found["support"], found["support"] > 0
    n, n_classes = support.sum(axis=-1), there.sum(axis=-1)
    return {
        "weighted_f1": _ratio((found["f1"] * support).sum(axis=-1), n),
        "macro_f1": _ratio((found["f1"] * there).sum(axis=-1), n_classes),
        "balanced_accuracy": _ratio(found["recall"].sum(axis=-1), n_classes),
        "accuracy": _ratio((found["recall"] * support).sum(axis=-1), n),
    }


def _ratio(a: NDArray[np.float64], b: NDArray[np.number]) -> NDArray[np.float64]:
    out = np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b)))
    return np.asarray(np.divide(a, b, out=out, where=np.asarray(b) > 0))


def pooled_scores(truth: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> dict[str, float]:
    """Return scores of out-of-fold predictions, int64 [repeats, n], mean over the repeats."""
    matrices = np.stack([confusion(truth, row, n_classes) for row in predicted])
    return {name: float(values.mean()) for name, values in scores_of(matrices).items()}


def resampling(n: int, n_bootstraps: int, seed: int) -> NDArray[np.int64]:
    """Return how often each patient is drawn in each bootstrap sample, int64 [bootstraps, n]."""
    rng = np.random.default_rng([seed, 1])
    return rng.multinomial(n, np.full(n, 1 / n), size=n_bootstraps)


def stratified_resampling(codes: NDArray[np.int64], n_bootstraps: int, seed: int) -> NDArray[np.int64]:
    """Return how often each patient is drawn, int64 [bootstraps, n], every class as often as it is: none vanishes."""
    rng = np.random.default_rng([seed, 1])
    weights = np.zeros((n_bootstraps, len(codes)), dtype=np.int64)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=n_bootstraps)
    return weights


def bootstrap_scores(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, weights: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of each bootstrap sample of patients, float64 [bootstraps]; a patient brings all its repeats.

    Parameters
    ----------
    truth : int64 array [n]
        Classes.
    predicted : int64 array [repeats, n]
        Out-of-fold predictions.
    n_classes : int
        Number of classes.
    weights : int64 array [bootstraps, n]
        From `resampling`; the same for two kinds of features makes their difference a paired one.
    """
    found: dict[str, NDArray[np.float64]] = {name: np.zeros(len(weights)) for name in SCORES}
    for row in predicted:
        cell = np.zeros((len(truth), n_classes**2))
        cell[np.arange(len(truth)), truth * n_classes + row] = 1.0
        matrices = (weights @ cell).reshape(len(weights), n_classes, n_classes)
        for name, values in scores_of(matrices).items():
            found[name] += values / len(predicted)
    return found


def interval(samples: NDArray[np.float64], value: float) -> Interval:
    """Return a value with the percentiles 2.5 and 97.5 of its bootstrap samples."""
    if not len(samples):
        return Interval(value, np.nan, np.nan)
    low, high = np.percentile(samples, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def fold_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation (n - 1) of a score over folds; the latter NaN for a single fold."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
