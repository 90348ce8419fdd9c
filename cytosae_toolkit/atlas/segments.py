"""Runs of equal keys in sorted arrays: the small tools under everything that is counted latent by latent.

Sums that decide a published number are sequential (`numpy.bincount`, explicit loops over short axes), never pairwise
or by BLAS: their bits then depend on the values of a latent alone, not on which other latents are in the array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LAST = np.uint64(2**64 - 1)
"""Rank key of an empty place: behind every other."""


def starts(key: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where runs of equal values begin, bool [n]."""
    begins = np.ones(len(key), dtype=bool)
    begins[1:] = key[1:] != key[:-1]
    return begins


def rank_within(key: NDArray[Any]) -> NDArray[np.int64]:
    """Return the place of each element in its run of equal values, from 0; int64 [n]."""
    first = np.flatnonzero(starts(key))
    lengths = np.diff(first, append=len(key))
    return np.arange(len(key)) - np.repeat(first, lengths)


def rank_keys(value: NDArray[np.float32], row: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return keys whose ascending order is: larger value first, among equals the earlier row; NaN and ≤ 0 come last.

    Parameters
    ----------
    value : float32 array [n]
        Activations.
    row : int array [n]
        Row of the image, 0 to 2³² - 1.
    """
    positive = np.where(value > 0, value, np.float32(0)).astype(np.float32)
    falling = np.uint64(0xFFFFFFFF) - positive.view(np.uint32).astype(np.uint64)
    return np.asarray((falling << np.uint64(32)) | row.astype(np.uint64))


def total(index: NDArray[np.int64], weights: NDArray[Any], length: int) -> NDArray[np.float64]:
    """Return sums of `weights` by `index`, float64 [length], accumulated one after the other in the order given."""
    return np.bincount(index, weights=weights, minlength=length).astype(np.float64)


def divide(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return a / b, NaN where b is not positive."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    return np.asarray(np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0))
