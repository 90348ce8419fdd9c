"""How far a latent says the same of several photographs of one cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.regressions import NO_VARIANCE
from cytosae_toolkit.atlas.segments import divide, starts, total

MIN_GROUPS = 10
"""With fewer groups of two or more images, reproducibility is undefined."""


def reproducibility(columns: Columns, facts: ImageFacts) -> NDArray[np.float64]:
    """Return the intraclass correlation ICC(1,1) of m_i over groups with at least two images.

    One-way analysis of variance (Shrout and Fleiss 1979): (B - W) / (B + (n₀ - 1) W) with the mean squares B between
    and W within groups; for groups of different sizes n_g, n₀ = (N - Σ n_g² / N) / (G - 1).

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images.

    Returns
    -------
    float64 array [n_latents]
        At most 1, below 0 where photographs of one cell differ more than cells; NaN with fewer than `MIN_GROUPS` such
        groups, or no variance.
    """
    sizes = facts.group_sizes[facts.group_sizes >= 2]
    n_groups, n = len(sizes), int(sizes.sum())
    if n_groups < MIN_GROUPS:
        return np.full(columns.n_latents, np.nan)
    entries = np.flatnonzero((facts.group_sizes >= 2)[facts.groups[columns.rows]])
    latent, mean = columns.latent[entries], columns.mean[entries].astype(np.float64)
    squares = total(latent, np.square(mean), columns.n_latents)
    correction = np.square(total(latent, mean, columns.n_latents)) / n
    of_groups = _squared_group_sums(latent, facts.groups[columns.rows[entries]], mean, facts, columns.n_latents)
    within = np.maximum(squares - of_groups, 0) / (n - n_groups)
    between = (of_groups - correction) / (n_groups - 1)
    n_0 = (n - np.square(sizes).sum() / n) / (n_groups - 1)
    varies = squares - correction > NO_VARIANCE * squares
    return np.where(varies, divide(between - within, between + (n_0 - 1) * within), np.nan)


def _squared_group_sums(
    latent: NDArray[np.int64], group: NDArray[np.int64], mean: NDArray[np.float64], facts: ImageFacts, n_latents: int
) -> NDArray[np.float64]:
    """Return Σ_g (Σ_{i in g} m_i)² / n_g of each latent."""
    order = np.argsort(latent * facts.n_groups + group, kind="stable")
    begins = starts(latent[order]) | starts(group[order])
    pair = np.cumsum(begins) - 1
    sums = total(pair, mean[order], int(begins.sum()))
    first = order[begins]
    return total(latent[first], np.square(sums) / facts.group_sizes[group[first]], n_latents)
