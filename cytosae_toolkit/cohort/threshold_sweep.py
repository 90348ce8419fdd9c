"""Scores over thresholds of the mean activation, and what choosing the best of them is really worth.

The maximum of the curve is optimistic: it was chosen by the very patients on whom it is measured. So a choice is also
made within the training patients of each fold, by cross-validation among themselves, and measured on its test patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cross_validation import Settings, fold_scores
from cytosae_toolkit.cohort.features import Features
from cytosae_toolkit.cohort.folds import Fold, stratified_folds
from cytosae_toolkit.cohort.regression import inverse_strength, rotation_of, solve, variances
from cytosae_toolkit.cohort.scores import SCORES, fold_spread, pooled_scores
from cytosae_toolkit.progress import Task

THRESHOLDS = tuple(x / 2 for x in range(-12, 1))
"""-6 to 0 in steps of 0.5 (paper, figure 4A)."""
CHOSEN_BY = "weighted_f1"


@dataclass(frozen=True)
class Point:
    """One threshold.

    Parameters
    ----------
    min_log10_mean : float
        The threshold.
    n_latents : float
        Latents above it, mean over the folds.
    mean, sd, pooled : dict of str to float
        Each score: mean and sd (n - 1) over the test folds; of the pooled out-of-fold predictions.
    times_chosen : int
        Folds in which the inner cross-validation chose it.
    """

    min_log10_mean: float
    n_latents: float
    mean: dict[str, float]
    sd: dict[str, float]
    pooled: dict[str, float]
    times_chosen: int


@dataclass(frozen=True)
class ThresholdSweep:
    """A curve and its nested best point.

    Parameters
    ----------
    points : tuple of Point
        Ascending thresholds.
    nested : int64 array [repeats, n] or None
        Predictions with the threshold that the training patients chose; None where a class is too small for that.
    """

    points: tuple[Point, ...]
    nested: NDArray[np.int64] | None


def sweep_fold(
    features: Features,
    codes: NDArray[np.int64],
    n_classes: int,
    fold: Fold,
    thresholds: Sequence[float],
    settings: Settings,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Predict the test patients of a fold with every threshold; equals `fit_fold` at each.

    Latents are taken in from the most active on, and their inner products are added up, so that all thresholds
    together cost little more than the lowest.

    Returns
    -------
    decisions : float64 array [thresholds, n_test, c]
        Decision values.
    n_kept : int64 array [thresholds]
        Latents above each threshold.
    """
    logs = features.log10_means(fold.train)
    order = np.argsort(-logs, kind="stable")
    order = order[logs[order] > min(thresholds)]
    scaled, variance = _scaled(features.values[:, order], fold, settings.scale)
    n = len(fold.train)
    n_kept = np.array([int((logs > limit).sum()) for limit in thresholds])
    decisions = np.zeros((len(thresholds), len(fold.test), n_classes))
    gram, done = np.zeros((len(scaled), n)), 0
    for size in np.unique(n_kept).tolist():
        added = scaled[:, done:size]
        gram += added @ added[:n].T
        done = size
        common = variance[:size].mean() if settings.scale == "common" and size else 1.0
        penalty = inverse_strength(settings.strength, n, n_classes, size)
        decisions[n_kept == size] = _decide(gram / (common or 1.0), codes[fold.train], n_classes, penalty)
    return decisions, n_kept


def _scaled(values: NDArray[np.float64], fold: Fold, scale: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return training patients above test patients, centred (and standardised) by the former, and their variances."""
    stacked = values[np.concatenate([fold.train, fold.test])]
    train = stacked[: len(fold.train)]
    mean = train.mean(axis=0)
    stacked -= mean
    variance = variances(train, mean)
    if scale == "standardised":
        stacked /= np.where(variance > 0, np.sqrt(variance), 1.0)
    return stacked, variance


def _decide(
    gram: NDArray[np.float64], codes: NDArray[np.int64], n_classes: int, strength: float
) -> NDArray[np.float64]:
    """Return decision values of the test patients from inner products of all with the training patients."""
    n, nothing = len(codes), np.zeros((len(codes), 0))
    rotation = rotation_of(nothing[0], nothing[0], nothing, gram[:n])
    coefficients, intercepts = solve(rotation.train, codes, n_classes, strength)
    return np.asarray((gram[n:] @ rotation.basis) @ coefficients.T + intercepts)


def sweep_thresholds(
    features: Features,
    codes: NDArray[np.int64],
    n_classes: int,
    folds: Sequence[Fold],
    thresholds: Sequence[float],
    settings: Settings,
    task: Task | None = None,
) -> ThresholdSweep:
    """Score every threshold over the folds, and the choice of one within the training patients.

    Parameters
    ----------
    features : Features
        Barcodes of the participants.
    codes : int64 array [n]
        Their classes.
    n_classes : int
        Number of classes.
    folds : sequence of Fold
        The outer ones; the inner ones are as many, fewer where a class has fewer training patients.
    thresholds : sequence of float
        Of log10 mean activation; ascending.
    settings : Settings
        Scale and strength.
    task : Task, optional
        Advanced after each outer fold.
    """
    n_repeats, n_folds = (1 + max(getattr(fold, name) for fold in folds) for name in ("repeat", "number"))
    predicted = np.zeros((len(thresholds), n_repeats, len(codes)), dtype=np.int64)
    nested = np.zeros((n_repeats, len(codes)), dtype=np.int64)
    n_kept, choices = [], []
    for fold in folds:
        decisions, kept = sweep_fold(features, codes, n_classes, fold, thresholds, settings)
        predicted[:, fold.repeat, fold.test] = decisions.argmax(axis=2)
        choice = choose_threshold(features, codes, n_classes, fold, thresholds, settings, n_folds)
        if choice is not None:
            nested[fold.repeat, fold.test] = decisions[choice].argmax(axis=1)
        n_kept.append(kept)
        choices.append(choice)
        if task is not None:
            task.advance()
    means = np.mean(n_kept, axis=0)
    points = tuple(
        _point(limit, float(means[i]), predicted[i], codes, n_classes, folds, choices.count(i))
        for i, limit in enumerate(thresholds)
    )
    return ThresholdSweep(points, None if None in choices else nested)


def choose_threshold(
    features: Features,
    codes: NDArray[np.int64],
    n_classes: int,
    fold: Fold,
    thresholds: Sequence[float],
    settings: Settings,
    n_folds: int,
) -> int | None:
    """Return which threshold has the best weighted F1 by cross-validation among the training patients of a fold.

    There are `n_folds` inner folds, fewer where a class has fewer training patients.
    Of equal ones the highest, which keeps the fewest latents. None where a class has a single training patient.
    """
    own = codes[fold.train]
    n_inner = min(int(np.bincount(own, minlength=n_classes).min()), n_folds)
    if n_inner < 2:
        return None
    inside, predicted = features.rows(fold.train), np.zeros((len(thresholds), len(own)), dtype=np.int64)
    for inner in stratified_folds(own, n_inner, 1, 1000 * fold.repeat + fold.number):
        decisions, _ = sweep_fold(inside, own, n_classes, inner, thresholds, settings)
        predicted[:, inner.test] = decisions.argmax(axis=2)
    scores = [pooled_scores(own, row[None], n_classes)[CHOSEN_BY] for row in predicted]
    return len(scores) - 1 - int(np.argmax(scores[::-1]))


def _point(
    limit: float,
    n_latents: float,
    predicted: NDArray[np.int64],
    codes: NDArray[np.int64],
    n_classes: int,
    folds: Sequence[Fold],
    times_chosen: int,
) -> Point:
    spread = {name: fold_spread(x.tolist()) for name, x in fold_scores(predicted, codes, n_classes, folds).items()}
    return Point(
        limit,
        n_latents,
        {name: spread[name][0] for name in SCORES},
        {name: spread[name][1] for name in SCORES},
        pooled_scores(codes, predicted, n_classes),
        times_chosen,
    )
