"""Kernels over rows of a matrix for the CPU, each row read once, compiled by numba on first use and kept on disk."""

from __future__ import annotations

import numpy as np
from numba import njit

from cytosae_toolkit.training.sparse_kernels import FAST, Floats


@njit(cache=True, nogil=True, fastmath=FAST)
def normalize(first: int, stop: int, weights: Floats, tiny: float) -> None:
    """Divide rows `first` … `stop` - 1 by their norm, at least `tiny`."""
    for i in range(first, stop):
        row, squares = weights[i], np.float32(0)
        for c in range(len(row)):
            squares += row[c] * row[c]
        norm = np.float32(max(np.sqrt(squares), tiny))
        for c in range(len(row)):
            row[c] /= norm


@njit(cache=True, nogil=True, fastmath=FAST)
def remove_parallel(first: int, stop: int, weights: Floats, gradient: Floats) -> None:
    """Subtract from rows `first` … `stop` - 1 of a gradient their part along the unit rows of the weights."""
    for i in range(first, stop):
        row, own, along = weights[i], gradient[i], np.float32(0)
        for c in range(len(row)):
            along += own[c] * row[c]
        for c in range(len(row)):
            own[c] -= along * row[c]
