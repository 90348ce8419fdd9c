"""Scores of a classification, kind of features by kind of features, and the tables that are written of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.left_out_sets import LeftOutSet
from cytosae_toolkit.cohort.scores import SCORES, Interval, Score
from cytosae_toolkit.cohort.threshold_sweep import Point


@dataclass(frozen=True)
class FeatureScores:
    """How well one kind of features classifies.

    Parameters
    ----------
    name, description : str
        Which.
    n_features : float
        Columns that the models saw, mean over the folds.
    n_incomplete : int
        Patients in whom some were unknown and taken as the mean of the training patients.
    scores : dict of str to Score
        By `SCORES`.
    difference : dict of str to Interval
        Barcodes minus this, paired bootstrap over patients; empty for the barcodes themselves.
    """

    name: str
    description: str
    n_features: float
    n_incomplete: int
    scores: dict[str, Score]
    difference: dict[str, Interval]


@dataclass(frozen=True)
class Sweep:
    """Scores over thresholds.

    Parameters
    ----------
    points : tuple of Point
        The curve, ascending. Its maximum is optimistic.
    nested : FeatureScores or None
        What choosing the best threshold is worth: chosen by weighted F1 within the training patients of each fold.
    note : str
        How to read it.
    """

    points: tuple[Point, ...]
    nested: FeatureScores | None
    note: str

    @property
    def best(self) -> Point:
        """The maximum of the curve by weighted F1 of the pooled predictions; the highest threshold of equal ones."""
        return max(reversed(self.points), key=lambda point: point.pooled["weighted_f1"])


def score_table(features: Sequence[FeatureScores]) -> pd.DataFrame:
    """Return scores of all features, one row per features and score.

    Returns
    -------
    pandas.DataFrame
        ``features, description, n_features, score, mean, sd, pooled, low, high, p, chance, difference,
        difference_low, difference_high``; difference: barcodes minus these features.
    """
    rows = []
    for one in features:
        for name in SCORES:
            difference = one.difference.get(name, Interval(math.nan, math.nan, math.nan))
            rows.append(
                {
                    "features": one.name, "description": one.description, "n_features": one.n_features, "score": name,
                    **dataclasses.asdict(one.scores[name]), "difference": difference.value,
                    "difference_low": difference.low, "difference_high": difference.high,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def set_table(sets: Sequence[LeftOutSet]) -> pd.DataFrame:
    """Return the scores of the sets left out, one row per features and set.

    Returns
    -------
    pandas.DataFrame
        ``features, set, n_train, n_test, classes, unseen, chance``, each score with ``_low`` and ``_high``, ``note``.
    """
    rows = []
    for one in sets:
        row: dict[str, Any] = {
            "features": one.features, "set": one.set, "n_train": one.n_train, "n_test": one.n_test,
            "classes": "; ".join(one.classes), "unseen": "; ".join(f"{k} {n}" for k, n in one.unseen.items()),
            "chance": one.chance,
        }  # fmt: skip
        for name in SCORES:
            found = one.scores.get(name, Interval(math.nan, math.nan, math.nan))
            row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        rows.append({**row, "note": one.note})
    return pd.DataFrame(rows)


def sweep_table(sweep: Sweep) -> pd.DataFrame:
    """Return the curve, one row per threshold.

    Returns
    -------
    pandas.DataFrame
        ``min_log10_mean, n_latents, times_chosen`` and of each score its mean, ``_sd`` and ``_pooled``.
    """
    rows = []
    for point in sweep.points:
        row: dict[str, Any] = {
            "min_log10_mean": point.min_log10_mean, "n_latents": point.n_latents, "times_chosen": point.times_chosen,
        }  # fmt: skip
        for name in SCORES:
            row |= {name: point.mean[name], f"{name}_sd": point.sd[name], f"{name}_pooled": point.pooled[name]}
        rows.append(row)
    return pd.DataFrame(rows)


def prediction_table(
    patients: NDArray[np.object_],
    n_cells: NDArray[np.int64],
    sets: NDArray[np.object_],
    truth: NDArray[np.int64],
    decisions: NDArray[np.float64],
    summary: pd.DataFrame,
    classes: tuple[str, ...],
) -> pd.DataFrame:
    """Return what was predicted of each patient.

    Parameters
    ----------
    patients, n_cells, sets, truth : array [n]
        Of the participants.
    decisions : float64 array [repeats, n, c]
        Out-of-fold decision values.
    summary : pandas.DataFrame
        As `cytosae_toolkit.cohort.drivers.Drivers.summary`.
    classes : tuple of str
        Names.

    Returns
    -------
    pandas.DataFrame
        ``patient, n_cells, set, truth, predicted`` (largest mean decision value over the repeats), ``correct,
        share_correct`` (of the repeats), ``against, margin, base, rest``, ``probability:CLASS`` (mean over the
        repeats; not calibrated).
    """
    from scipy.special import softmax

    right = (decisions.argmax(axis=2) == truth).mean(axis=0)
    names = np.array(classes, dtype=object)[truth]
    table = pd.DataFrame({"patient": patients, "n_cells": n_cells, "set": sets, "truth": names})
    table["predicted"] = summary["predicted"]
    table["correct"] = table["predicted"] == table["truth"]
    table["share_correct"] = right
    table = pd.concat([table, summary[["against", "margin", "base", "rest"]]], axis=1)
    probability = softmax(decisions, axis=2).mean(axis=0)
    for c, label in enumerate(classes):
        table[f"probability:{label}"] = probability[:, c]
    return table
