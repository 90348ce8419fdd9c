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
FAST = {"reassoc", "contract", "nsz"}
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


@njit(cache=True, nogil=True, fastmath=FAST)
def decode(low: int, high: int, start: Ints, token: Ints, value: Floats, weights: Floats, out: Floats) -> None:
    """Add Σ z W to tokens `low` … `high` - 1: ``out[token] += value * weights[latent]``."""
    for latent in range(len(start) - 1):
        row, entry, stop = weights[latent], start[latent], start[latent + 1]
        while entry < stop and token[entry] < low:
            entry += 1
        while entry < stop and token[entry] < high:
            z, goal = value[entry], out[token[entry]]
            for c in range(len(row)):
                goal[c] += z * row[c]
            entry += 1


@njit(cache=True, nogil=True, fastmath=FAST)
def backward(
    first: int, stop: int, start: Ints, token: Ints, value: Floats, weights: Floats, gradient: Floats,
    gradient_of_sum: Floats, tokens: Floats, to_decoder: Floats, to_encoder: Floats, to_bias: Floats,
) -> None:  # fmt: skip
    """Write rows `first` … `stop` - 1 of the gradients; see `cytosae_toolkit.training.sparse_products.backward`."""
    for latent in range(first, stop):
        row, decoder, encoder, total = weights[latent], to_decoder[latent], to_encoder[latent], 0.0
        decoder[:] = 0
        encoder[:] = 0
        for entry in range(start[latent], start[latent + 1]):
            z, i, inner = value[entry], token[entry], np.float32(0)
            pull, own = gradient[i], tokens[i]
            for c in range(len(row)):
                inner += pull[c] * row[c]
                decoder[c] += z * pull[c]
            inner += gradient_of_sum[i]
            total += inner
            for c in range(len(row)):
                encoder[c] += inner * own[c]
        to_bias[latent] = total
