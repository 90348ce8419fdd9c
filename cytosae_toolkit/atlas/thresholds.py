"""How many latents lie above thresholds of mean activation: the paper's number of concepts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = (-4, -3, -2, -1)
"""Of log10 mean activation; the paper reports -3."""


def count_above(mean_activation: NDArray[np.floating], thresholds: Sequence[float] = THRESHOLDS) -> dict[float, int]:
    """Count the latents with log10(mean activation) > t, for each threshold t.

    Parameters
    ----------
    mean_activation : float array [d_sae]
        0 or NaN where a latent never fired: above no threshold.
    thresholds : sequence of float
        Values of t.
    """
    values = np.nan_to_num(np.asarray(mean_activation, dtype=np.float64))
    logs = np.log10(values, out=np.full_like(values, -np.inf), where=values > 0)
    return {limit: int((logs > limit).sum()) for limit in thresholds}
