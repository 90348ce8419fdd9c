"""Kernels over non-zeros for the CPU, compiled by numba on first use and kept on disk.

The entries of latent s are ``start[s] … start[s + 1] - 1``. Kernels release Python's lock, so that threads share the
work; no two threads write to the same place, so the sums do not depend on their number.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
_FAST = {"reassoc", "contract", "nsz"}
PIECE = 64
"""Numbers looked through at once, which is quick, before those that are positive are picked."""


@njit(cache=True, nogil=True)
def positives(products: Floats, shift: Floats, counts: NDArray[np.int64], columns: Ints, values: Floats) -> int:
    """Find the positive ``products + shift[:, None]``, row by row, and return how many there are.

    Parameters
    ----------
    products, shift : float32 array [n, m], [n]
        NaN is not positive.
    counts : int64 array [n]
        Becomes the number in each row.
    columns, values : int32, float32 array [at least n · m]
        Become column and value of each, as far as there are any.
    """
    found, n, whole = 0, products.shape[1], products.shape[1] // PIECE * PIECE
    for row in range(len(products)):
        limit, before = -shift[row], found
        for first in range(0, n, PIECE):
            hits = np.int32(1)
            if first < whole:
                hits = np.int32(0)
                for j in range(PIECE):
                    hits += np.int32(products[row, first + j] > limit)
            for column in range(first, min(first + PIECE, n) if hits else first):
                if products[row, column] > limit:
                    columns[found], values[found] = column, products[row, column] + shift[row]
                    found += 1
        counts[row] = found - before
    return found


@njit(cache=True, nogil=True, fastmath=_FAST)
def decode(low: int, high: int, start: Ints, token: Ints, value: Floats, weights: Floats, out: Floats) -> None:
    """Add Σ z W to columns `low` … `high` - 1 of the tokens: ``out[token] += value * weights[latent]``."""
    for latent in range(len(start) - 1):
        row = weights[latent, low:high]
        for entry in range(start[latent], start[latent + 1]):
            z, goal = value[entry], out[token[entry], low:high]
            for c in range(len(row)):
                goal[c] += z * row[c]


@njit(cache=True, nogil=True, fastmath=_FAST)
def pull(
    first: int, stop: int, start: Ints, token: Ints, value: Floats, weights: Floats, gradient: Floats, dots: Floats,
    sums: Floats,
) -> None:  # fmt: skip
    """For latents `first` … `stop` - 1: ``dots = gradient[token] · weights[latent]``, ``sums = Σ value gradient``."""
    for latent in range(first, stop):
        row, total = weights[latent], sums[latent]
        total[:] = 0
        for entry in range(start[latent], start[latent + 1]):
            z, own, dot = value[entry], gradient[token[entry]], np.float32(0)
            for c in range(len(row)):
                dot += own[c] * row[c]
                total[c] += z * own[c]
            dots[entry] = dot


@njit(cache=True, nogil=True, fastmath=_FAST)
def gather(first: int, stop: int, start: Ints, token: Ints, value: Floats, rows: Floats, sums: Floats) -> None:
    """For latents `first` … `stop` - 1: ``sums[latent] = Σ value rows[token]``."""
    for latent in range(first, stop):
        total = sums[latent]
        total[:] = 0
        for entry in range(start[latent], start[latent + 1]):
            z, own = value[entry], rows[token[entry]]
            for c in range(len(own)):
                total[c] += z * own[c]
