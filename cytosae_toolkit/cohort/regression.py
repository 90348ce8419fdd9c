"""L2 multinomial logistic regression on many more features than patients.

An L2-penalised linear model depends on its training data through inner products alone: the best coefficients lie in
the span of the centred training patients. So n patients with any number of features are rotated to at most n - 1
dimensions, where scikit-learn fits in milliseconds, and the coefficients are mapped back; this loses nothing.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SCALES = ("common", "standardised", "raw")
"""How features are scaled, with what is known from the training patients alone.

``common``
    All divided by one number, the root of their mean variance. The default: it does not depend on units (patch counts
    and mean activations differ a thousandfold, and under a fixed penalty the latter would never be heard), and it
    keeps the ratios between latents, so that one rare cell does not weigh as much as what all cells of a patient show.
    On real and on generated cells it was as good as the better of the other two.
``standardised``
    Each feature in units of its own standard deviation. Right for columns of different units, such as colour moments;
    on barcodes it raises rare latents, and few patients, to the weight of common ones.
``raw``
    As they come, as in the published code. Centring makes no difference, the intercept being free.
"""

STRENGTHS = ("patients", "features")
"""Rules for scikit-learn's C, the inverse strength: ``patients`` is c·n/100 with n training patients and c classes,
``features`` is c·d/100 with d features, as DinoBloom's code has it."""

_SMALLEST_EIGENVALUE = 1e-12
"""Relative to the largest; directions below hold rounding errors."""
_ROUNDING = 1e-12
"""Standard deviation below this share of the mean: the feature is constant."""
_ITERATIONS = 5000
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Rotation:
    """Training patients in at most n - 1 dimensions, and the way there and back.

    Parameters
    ----------
    mean, factor : float64 array [k]
        Of each feature over the training patients: its mean; what it is divided by.
    centred : float64 array [n, k]
        Training patients, centred and scaled.
    basis : float64 array [n, r]
        ``centred.T @ basis`` has orthonormal columns.
    train : float64 array [n, r]
        Training patients, rotated: with the inner products of `centred`.
    """

    mean: NDArray[np.float64]
    factor: NDArray[np.float64]
    centred: NDArray[np.float64]
    basis: NDArray[np.float64]
    train: NDArray[np.float64]

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rotate patients, float64 [m, k] → [m, r]."""
        return (((values - self.mean) / self.factor) @ self.centred.T) @ self.basis

    def back(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return coefficients of rotated features [c, r] as those of the features themselves [c, k]."""
        return ((coefficients @ self.basis.T) @ self.centred) / self.factor


@dataclass(frozen=True)
class Regression:
    """A fitted model: decision value of class c = intercepts[c] + Σ_s coefficients[c, s] (x_s - mean_s).

    Parameters
    ----------
    coefficients : float64 array [c, k]
        Log odds per unit of the feature as it came.
    intercepts : float64 array [c]
        At the mean of the training patients; -inf for a class that had none.
    mean, sd : float64 array [k]
        Of the features over the training patients.
    strength : float
        scikit-learn's C.
    """

    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    strength: float

    def decision(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return decision values of patients, float64 [m, k] → [m, c]; the largest is the prediction."""
        return np.asarray((values - self.mean) @ self.coefficients.T + self.intercepts)


def inverse_strength(rule: str | float, n_patients: int, n_classes: int, n_features: int) -> float:
    """Return scikit-learn's C by rule (`STRENGTHS`), or as given."""
    if isinstance(rule, str):
        return n_classes * (n_patients if rule == "patients" else n_features) / 100
    return float(rule)


def rotate(values: NDArray[np.float64], scale: str) -> Rotation:
    """Rotate training patients into the span of themselves.

    Parameters
    ----------
    values : float64 array [n, k]
        Features of the training patients.
    scale : str
        One of `SCALES`.
    """
    mean = values.mean(axis=0)
    centred = values - mean
    factor = _factors(variances(centred, mean), scale)
    centred /= factor
    return rotation_of(mean, factor, centred, centred @ centred.T)


def rotation_of(
    mean: NDArray[np.float64], factor: NDArray[np.float64], centred: NDArray[np.float64], gram: NDArray[np.float64]
) -> Rotation:
    """Return the rotation whose inner products of centred, scaled training patients, float64 [n, n], are known."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > _SMALLEST_EIGENVALUE * max(float(values[-1]), 0.0)
    root = np.sqrt(values[kept])
    return Rotation(mean, factor, centred, vectors[:, kept] / root, vectors[:, kept] * root)


def variances(centred: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the variance (by n) of centred features, float64 [k]: exactly 0 where only rounding makes them differ."""
    variance = np.einsum("ij,ij->j", centred, centred) / max(len(centred), 1)
    return np.where(variance > (_ROUNDING * mean) ** 2, variance, 0.0)


def _factors(variance: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Return what each feature is divided by, float64 [k]; 1 for features that do not vary."""
    if scale == "raw":
        return np.ones_like(variance)
    if scale == "common":
        variance = np.full_like(variance, variance.mean() if len(variance) else 1.0)
    return np.where(variance > 0, np.sqrt(variance), 1.0)


def solve(
    train: NDArray[np.float64], codes: NDArray[np.int64], n_classes: int, strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit scikit-learn's logistic regression.

    Parameters
    ----------
    train : float64 array [n, r]
        Features with mean 0.
    codes : int64 array [n]
        Class of each patient, 0 to `n_classes` - 1; some classes may be absent.
    n_classes : int
        Number of classes.
    strength : float
        scikit-learn's C.

    Returns
    -------
    coefficients : float64 array [c, r]
        Their sum over the classes that are present is 0; two classes have opposite halves of scikit-learn's.
    intercepts : float64 array [c]
        -inf for absent classes.
    """
    present, counts = np.unique(codes, return_counts=True)
    coefficients, intercepts = np.zeros((n_classes, train.shape[1])), np.full(n_classes, -np.inf)
    if len(present) == 1 or not train.shape[1]:
        logs = np.log(counts / counts.sum())
        intercepts[present] = logs - logs.mean()
        return coefficients, intercepts
    found, free = _sklearn(train, codes, strength)
    if len(present) == 2:
        found, free = np.vstack([-found, found]) / 2, np.concatenate([-free, free]) / 2
    coefficients[present], intercepts[present] = found, free
    return coefficients, intercepts


def _sklearn(
    train: NDArray[np.float64], codes: NDArray[np.int64], strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, solver="newton-cg", tol=_TOLERANCE, max_iter=_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # without a penalty worth the name it creeps for ever
        model.fit(train, codes)
    return np.asarray(model.coef_), np.asarray(model.intercept_)


def fit_regression(
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    n_classes: int,
    *,
    scale: str = SCALES[0],
    strength: str | float = STRENGTHS[0],
) -> Regression:
    """Fit scaling and regression to training patients.

    Parameters
    ----------
    values : float64 array [n, k]
        Features.
    codes : int64 array [n]
        Class of each patient, 0 to `n_classes` - 1.
    n_classes : int
        Number of classes.
    scale : str
        One of `SCALES`.
    strength : str or float
        One of `STRENGTHS`, or scikit-learn's C.
    """
    rotation = rotate(values, scale)
    penalty = inverse_strength(strength, len(values), n_classes, values.shape[1])
    coefficients, intercepts = solve(rotation.train, codes, n_classes, penalty)
    sd = np.sqrt(variances(rotation.centred, rotation.mean / rotation.factor)) * rotation.factor
    return Regression(rotation.back(coefficients), intercepts, rotation.mean, sd, penalty)
