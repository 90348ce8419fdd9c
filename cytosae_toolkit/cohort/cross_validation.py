"""Out-of-fold predictions: threshold, scaling and regression are fitted to the training patients of each fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.features import BARCODE, Features
from cytosae_toolkit.cohort.folds import Fold
from cytosae_toolkit.cohort.regression import SCALES, STRENGTHS, Regression, fit_regression
from cytosae_toolkit.cohort.scores import confusion, scores_of
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import Task


@dataclass(frozen=True)
class Settings:
    """How one model is fitted.

    Parameters
    ----------
    min_log10_mean : float
        Latents whose log10 mean activation over the training patients does not exceed it are taken as 0.
    scale : str
        One of `SCALES`.
    strength : str or float
        One of `STRENGTHS`, or scikit-learn's C.
    """

    min_log10_mean: float = -3.0
    scale: str = SCALES[0]
    strength: str | float = STRENGTHS[0]

    def for_features(self, features: Features) -> Settings:
        """Return the same for some features; baselines are always standardised, their columns having other units."""
        if features.name == BARCODE:
            return self
        return Settings(-np.inf, "standardised", self.strength)


@dataclass(frozen=True)
class FoldModel:
    """The model of one fold.

    Parameters
    ----------
    fold : Fold
        Whom it was trained and tested on.
    kept : int64 array [k']
        Which features it sees, as positions among `Features.values`.
    regression : Regression
        On those.
    """

    fold: Fold
    kept: NDArray[np.int64]
    regression: Regression


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of patients by models that have not seen them.

    Parameters
    ----------
    decisions : float64 array [repeats, n, c]
        Decision values.
    models : list of FoldModel
        One per fold.
    """

    decisions: NDArray[np.float64]
    models: list[FoldModel]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Predicted classes, int64 [repeats, n]."""
        return np.asarray(self.decisions.argmax(axis=2))


def imputed(values: NDArray[np.float64], train: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return features with NaN replaced by the mean of the training patients of whom they are known (0 if none)."""
    unknown = np.isnan(values)
    if not unknown.any():
        return values
    known = ~unknown[train]
    sums = np.where(known, values[train], 0.0).sum(axis=0)
    return np.where(unknown, sums / np.maximum(known.sum(axis=0), 1), values)


def fit_fold(
    features: Features, codes: NDArray[np.int64], n_classes: int, fold: Fold, settings: Settings
) -> tuple[FoldModel, NDArray[np.float64]]:
    """Fit a model to the training patients of a fold.

    Returns
    -------
    model : FoldModel
        It.
    decisions : float64 array [n_test, c]
        Of the test patients.
    """
    settings = settings.for_features(features)
    kept = np.flatnonzero(features.log10_means(fold.train) > settings.min_log10_mean)
    values = imputed(features.values, fold.train)
    train, test = values[np.ix_(fold.train, kept)], values[np.ix_(fold.test, kept)]
    regression = fit_regression(train, codes[fold.train], n_classes, scale=settings.scale, strength=settings.strength)
    return FoldModel(fold, kept, regression), regression.decision(test)


def cross_validate(
    features: Features,
    codes: NDArray[np.int64],
    n_classes: int,
    folds: Sequence[Fold],
    settings: Settings,
    task: Task | None = None,
) -> OutOfFold:
    """Predict every patient once per repeat.

    Parameters
    ----------
    features : Features
        Of all participants, [n, k].
    codes : int64 array [n]
        Their classes.
    n_classes : int
        Number of classes.
    folds : sequence of Fold
        Of all repeats.
    settings : Settings
        How to fit.
    task : Task, optional
        Advanced after each fold.
    """
    decisions = np.zeros((1 + max(fold.repeat for fold in folds), len(codes), n_classes))
    models = []
    for fold in folds:
        model, decisions[fold.repeat, fold.test] = fit_fold(features, codes, n_classes, fold, settings)
        models.append(model)
        if task is not None:
            task.advance()
    return OutOfFold(decisions, models)


def fold_scores(
    predicted: NDArray[np.int64], codes: NDArray[np.int64], n_classes: int, folds: Sequence[Fold]
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of each test fold, float64 [folds], of out-of-fold predictions, int64 [repeats, n]."""
    matrices = [confusion(codes[fold.test], predicted[fold.repeat, fold.test], n_classes) for fold in folds]
    return scores_of(np.stack(matrices))


def check_threshold(features: Features, folds: Sequence[Fold], settings: Settings) -> None:
    """Refuse a threshold above which no latent is left in some fold.

    Raises
    ------
    CytosaeError
        Naming the largest mean activation that there is.
    """
    highest = min(float(features.log10_means(fold.train).max()) for fold in folds)
    if highest <= settings.min_log10_mean:
        raise CytosaeError(
            f"No latent has log10 mean activation above {settings.min_log10_mean:g}: the largest is {highest:.2f}.",
            "Lower --min-log10-mean.",
        )
