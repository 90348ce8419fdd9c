"""How much of a latent is explained by the colour of the image, and how it goes with measures of the cell.

Zeros count: every image has a mean m_i. One image per group: its first. All sums are over the non-zeros alone, latent
by latent in the order of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.sampling import priority
from cytosae_toolkit.atlas.segments import divide

FOLDS = 5
RIDGE = 1.0
"""Penalty on standardised features, against sums of squares over images."""
FAR = 3.0
"""Features are clipped to this many standard deviations."""
MIN_IMAGES = 10
"""With fewer images a regression or correlation is undefined."""
NO_VARIANCE = 1e-12
"""Share of Σ m² below which the variance of m counts as none."""


def colour_r2(columns: Columns, facts: ImageFacts) -> NDArray[np.float64]:
    """Return the share of the variance of m_i that the colour of other images predicts: cross-validated R².

    Ridge regression on the nine colour moments and their squares, all standardised over the images, with an
    intercept; five folds by group. R² = 1 - Σ (m_i - prediction)² / Σ (m_i - mean of m)².

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images; images of unknown colour are left out.

    Returns
    -------
    float64 array [n_latents]
        Clipped at 0 (worse than the mean); NaN with fewer than `MIN_IMAGES` images, or no variance.
    """
    rows = np.flatnonzero(facts.representatives & np.isfinite(facts.colour).all(axis=1))
    if len(rows) < MIN_IMAGES:
        return np.full(columns.n_latents, np.nan)
    x = _features(facts.colour[rows].astype(np.float64))
    fold = (priority(-1, facts.keys[rows]) % np.uint64(FOLDS)).astype(np.int64)
    by_fold = [_spread(np.where((fold == f)[:, None], x, 0), rows, columns.n_images) for f in range(FOLDS)]
    b = [weighted_sums(columns, design) for design in by_fold]
    squares = weighted_sums(columns, _spread(np.ones((len(rows), 1)), rows, columns.n_images), square=True)[:, 0]
    a = [design.T @ design for design in by_fold]
    error = squares.copy()
    for f in range(FOLDS):
        penalty = RIDGE * np.diag([0.0] + [1.0] * (x.shape[1] - 1))
        inverse = np.linalg.inv(_sum_of(a[:f] + a[f + 1 :]) + penalty).astype(np.float64)
        beta = _product(_sum_of(b[:f] + b[f + 1 :]), inverse)
        error += _dot(beta, _product(beta, a[f])) - 2 * _dot(beta, b[f])
    variance = _variance(squares, _sum_of(b)[:, 0], len(rows))
    return np.asarray(np.maximum(1 - divide(error, variance), 0))


def correlation(columns: Columns, facts: ImageFacts, quantity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Pearson correlation of m_i with a quantity over the images where that is known.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images.
    quantity : float64 array [n_images]
        NaN where unknown.

    Returns
    -------
    float64 array [n_latents]
        NaN with fewer than `MIN_IMAGES` images, or no variance.
    """
    rows = np.flatnonzero(facts.representatives & np.isfinite(quantity))
    if len(rows) < MIN_IMAGES or np.ptp(quantity[rows]) == 0:
        return np.full(columns.n_latents, np.nan)
    x = quantity[rows] - quantity[rows].mean()
    design = _spread(np.stack([np.ones(len(rows)), x / np.sqrt(np.square(x).sum())], axis=1), rows, columns.n_images)
    sums = weighted_sums(columns, design)
    squares = weighted_sums(columns, design[:, :1], square=True)[:, 0]
    r = divide(sums[:, 1], np.sqrt(_variance(squares, sums[:, 0], len(rows))))
    return np.asarray(np.clip(r, -1, 1))


def weighted_sums(columns: Columns, design: NDArray[np.float64], *, square: bool = False) -> NDArray[np.float64]:
    """Return Σ_i m_i design[i], or Σ_i m_i² design[i]; float64 [n_latents, columns of design]."""
    mean = columns.mean.astype(np.float64)
    shape = columns.n_latents, columns.n_images
    values = sparse.csr_array((np.square(mean) if square else mean, columns.rows, columns.indptr), shape=shape)
    return np.asarray(values @ design)


def _features(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a column of ones, the standardised moments and their standardised squares."""
    once = _standardised(colour)
    return np.concatenate([np.ones((len(once), 1)), once, _standardised(np.square(once))], axis=1)


def _standardised(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean 0 and standard deviation 1 by column, clipped; a constant column gives 0."""
    centred = x - x.mean(axis=0)
    deviation = np.sqrt(np.square(centred).mean(axis=0))
    constant = deviation <= 1e-9 * np.abs(x).max(axis=0)
    return np.asarray(np.clip(np.where(constant, 0, centred / np.where(constant, 1, deviation)), -FAR, FAR))


def _spread(values: NDArray[np.float64], rows: NDArray[np.int64], n_images: int) -> NDArray[np.float64]:
    """Return the values at their rows among all images, 0 elsewhere."""
    spread = np.zeros((n_images, values.shape[1]))
    spread[rows] = values
    return spread


def _variance(squares: NDArray[np.float64], sums: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return Σ (m - mean)², NaN where it is nothing but rounding."""
    variance = squares - np.square(sums) / n
    return np.where(variance > NO_VARIANCE * squares, variance, np.nan)


def _sum_of(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.asarray(sum(parts))


def _product(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a @ b, summed in a fixed order whatever the number of rows of a."""
    product = np.zeros((len(a), b.shape[1]))
    for j in range(len(b)):
        product += a[:, j, None] * b[j]
    return product


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the dot product of corresponding rows, summed in a fixed order."""
    dot = np.zeros(len(a))
    for j in range(a.shape[1]):
        dot += a[:, j] * b[:, j]
    return dot
