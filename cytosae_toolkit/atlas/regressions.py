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
from cytosae_toolkit.atlas.segments import divide, total

FOLDS = 5
RIDGE = 1.0
"""Penalty on standardised features, against sums of squares over images."""
FAR = 3.0
"""Features are clipped to this many standard deviations."""
MEANS = 3
"""The first of the colour moments are the mean red, green and blue."""
MIN_IMAGES = 10
"""With fewer images a correlation is undefined."""
MIN_COLOUR_IMAGES = 60
"""With fewer images R² is undefined: eighteen features then explain more than 0.25 of chance too often."""
MIN_OF_LABEL = 10
"""Labels with fewer images are left out: differences from the mean of a few add up to 0 and predict each other."""
NO_VARIANCE = 1e-12
"""Share of Σ m² below which the variance of m counts as none."""


def colour_r2(columns: Columns, facts: ImageFacts) -> NDArray[np.float64]:
    """Return the share of the variance of m_i that the colour of other images predicts: cross-validated R².

    Where images have labels, m and colour are both taken as differences from the mean of their label: that granules
    are red is no fault of the photograph. Ridge regression without intercept on the nine colour moments and their
    squares, all standardised; five folds by group. R² = 1 - Σ (m_i - prediction)² / Σ m_i², m being those differences.
    Where none has a label, only the three mean colours and their squares predict, because spread and skewness then
    tell kinds of cells apart.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images; images of unknown colour are left out, groups without a label where others have one, and
        labels with fewer than `MIN_OF_LABEL` images.

    Returns
    -------
    float64 array [n_latents]
        Clipped at 0 (worse than the mean); NaN with fewer than `MIN_COLOUR_IMAGES` images, or no variance.
    """
    stratum = facts.strata
    rows = np.flatnonzero((stratum >= 0) & np.isfinite(facts.colour).all(axis=1))
    rows = rows[np.bincount(stratum[rows])[stratum[rows]] >= MIN_OF_LABEL] if len(rows) else rows
    if len(rows) < MIN_COLOUR_IMAGES:
        return np.full(columns.n_latents, np.nan)
    moments = facts.colour[rows] if facts.labelled else facts.colour[rows, :MEANS]
    x = _features(moments.astype(np.float64), stratum[rows])
    label = np.full(columns.n_images, -1)
    label[rows] = stratum[rows]
    means, variance = _label_means(columns, label)
    fold = (priority(-1, facts.keys[rows]) % np.uint64(FOLDS)).astype(np.int64)
    by_fold = [np.where((fold == f)[:, None], x, 0) for f in range(FOLDS)]
    a = [part.T @ part for part in by_fold]
    b = [
        weighted_sums(columns, _spread(part, rows, columns.n_images))
        - _product(means, _sums_by(part, stratum[rows], means.shape[1]))
        for part in by_fold
    ]
    explained = np.zeros(columns.n_latents)
    for f in range(FOLDS):
        penalised = _sum_of(a[:f] + a[f + 1 :]) + RIDGE * np.eye(x.shape[1])
        beta = _product(_sum_of(b[:f] + b[f + 1 :]), np.linalg.inv(penalised).astype(np.float64))
        explained += 2 * _dot(beta, b[f]) - _dot(beta, _product(beta, a[f]))
    return np.asarray(np.maximum(divide(explained, variance), 0))


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


def _label_means(columns: Columns, label: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of m by label, [n_latents, labels], and Σ (m - mean of the label)², NaN where there is none.

    `label` is that of each image, -1 for those left out.
    """
    n_labels = int(label.max()) + 1
    sizes = np.bincount(label[label >= 0], minlength=n_labels)
    entries = np.flatnonzero(label[columns.rows] >= 0)
    latent, mean = columns.latent[entries], columns.mean[entries].astype(np.float64)
    cell = latent * n_labels + label[columns.rows[entries]]
    sums = total(cell, mean, columns.n_latents * n_labels).reshape(-1, n_labels)
    means = sums / np.maximum(sizes, 1)
    squares = total(latent, np.square(mean), columns.n_latents)
    variance = squares - _dot(means, sums)
    return means, np.where(variance > NO_VARIANCE * squares, variance, np.nan)


def _sums_by(values: NDArray[np.float64], label: NDArray[np.int64], n_labels: int) -> NDArray[np.float64]:
    """Return the sums of rows by label, float64 [labels, columns]."""
    sums = np.zeros((n_labels, values.shape[1]))
    np.add.at(sums, label, values)
    return sums


def _features(moments: NDArray[np.float64], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return moments and their squares, standardised about the mean of each label."""
    once = _standardised(moments)
    both = np.concatenate([once, np.square(once)], axis=1)
    n_labels = int(label.max()) + 1
    sizes = np.maximum(np.bincount(label, minlength=n_labels), 1)
    return _standardised(both - (_sums_by(both, label, n_labels) / sizes[:, None])[label])


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
