"""How far image sets agree on what the latents are: rank correlation of mean activation, overlap of strong latents."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

THRESHOLD = -3.0
"""Of log10 mean activation; a latent above it counts as a concept."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of two image sets.

    Parameters
    ----------
    first, second : str
        The sets.
    rank_correlation : float
        Spearman's, of mean activation over the latents that fire in at least one of them; equals share their mean
        rank. NaN where that is undefined.
    n_first, n_second, n_both : int
        Latents above the threshold in the first, in the second, in both.
    overlap : float
        n_both / number above the threshold in either (Jaccard); NaN if there is none.
    """

    first: str
    second: str
    rank_correlation: float
    n_first: int
    n_second: int
    n_both: int
    overlap: float


def agreement(means: dict[str, NDArray[np.float64]], threshold: float = THRESHOLD) -> list[Agreement]:
    """Compare every two image sets.

    Parameters
    ----------
    means : dict of float64 array [d_sae]
        Mean activation of all latents by set; 0 or NaN where a latent never fires.
    threshold : float
        Of log10 mean activation.
    """
    clean = {name: np.nan_to_num(values) for name, values in means.items()}
    return [_compare(a, clean[a], b, clean[b], 10.0**threshold) for a, b in combinations(clean, 2)]


def _compare(first: str, x: NDArray[np.float64], second: str, y: NDArray[np.float64], limit: float) -> Agreement:
    strong_x, strong_y = x > limit, y > limit
    n_both, n_either = int((strong_x & strong_y).sum()), int((strong_x | strong_y).sum())
    return Agreement(
        first,
        second,
        _spearman(x, y),
        int(strong_x.sum()),
        int(strong_y.sum()),
        n_both,
        n_both / n_either if n_either else float("nan"),
    )


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    fires = (x > 0) | (y > 0)
    if not fires.any():
        return float("nan")
    a, b = rankdata(x[fires]), rankdata(y[fires])
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")
