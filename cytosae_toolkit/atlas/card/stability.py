"""Does another training find the same latents? Cosines between the decoder rows of two SAEs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.card.monosemanticity import unit_rows

SAME = 0.7
"""Cosine above which two latents count as the same."""
HUNGARIAN_LIMIT = 4096
"""Live latents up to which pairs are matched optimally."""
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class Stability:
    """How well the latents of two SAEs agree.

    Parameters
    ----------
    n_first, n_second : int
        Live latents of each.
    mean_max_cosine : float
        Mean over the first's latents of the largest cosine with any of the second's.
    mean_max_cosine_back : float
        The same from the second to the first.
    matched_share : float
        Matched pairs with a cosine above 0.7, as a share of the smaller number of latents.
    matching : str
        ``"hungarian"`` or ``"mutual nearest neighbours"``.
    """

    n_first: int
    n_second: int
    mean_max_cosine: float
    mean_max_cosine_back: float
    matched_share: float
    matching: str


@dataclass(frozen=True)
class Nearest:
    """For each row of one matrix the most similar row of another: index int64 [n] and cosine float64 [n]."""

    index: NDArray[np.int64]
    cosine: NDArray[np.float64]


def nearest_rows(rows: NDArray[np.float64], others: NDArray[np.float64]) -> Nearest:
    """Return the nearest of the unit rows `others` to each unit row, in blocks."""
    found = [(block.argmax(axis=1), block.max(axis=1)) for block in _cosines(rows, others)]
    index, cosine = zip(*found, strict=True)
    return Nearest(np.concatenate(index), np.concatenate(cosine))


def _cosines(rows: NDArray[np.float64], others: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE] @ others.T


def stability(
    first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]], *, limit: int = HUNGARIAN_LIMIT
) -> Stability:
    """Compare the decoder rows of two SAEs.

    Parameters
    ----------
    first, second : float array [n, d_model]
        Decoder rows of live latents, at least one each; any length.
    limit : int
        Number of latents up to which pairs are matched by the Hungarian algorithm; above it mutual nearest
        neighbours are.

    Raises
    ------
    ValueError
        If one has no rows.
    """
    if not len(first) or not len(second):
        raise ValueError("no live latents")
    a, b = unit_rows(first), unit_rows(second)
    there, back = nearest_rows(a, b), nearest_rows(b, a)
    small = max(len(a), len(b)) <= limit
    pairs = _hungarian(a, b) if small else _mutual(there, back)
    return Stability(
        n_first=len(a),
        n_second=len(b),
        mean_max_cosine=float(there.cosine.mean()),
        mean_max_cosine_back=float(back.cosine.mean()),
        matched_share=float((pairs > SAME).sum() / min(len(a), len(b))),
        matching="hungarian" if small else "mutual nearest neighbours",
    )


def _hungarian(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines of the one-to-one pairs whose sum is largest."""
    from scipy.optimize import linear_sum_assignment

    cosines = a @ b.T
    rows, columns = linear_sum_assignment(cosines, maximize=True)
    return np.asarray(cosines[rows, columns])


def _mutual(there: Nearest, back: Nearest) -> NDArray[np.float64]:
    """Return the cosines of pairs that are each other's nearest."""
    own = np.arange(len(there.index))
    return np.asarray(there.cosine[back.index[there.index] == own])
