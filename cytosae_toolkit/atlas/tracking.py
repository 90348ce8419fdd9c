"""What is worth keeping while images stream by: the best groups per latent and set, and random images per latent.

Both answer, batch by batch, which entries belong to the kept ones *at this moment*. Every entry that belongs to them
in the end was answered "yes" when it came, however the stream is cut into batches, shards or resumed parts; the final
choice is made from all values (`top_references`, `smallest_priorities`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.segments import LAST, rank_keys, rank_within, starts


class Reservoir:
    """Keep the entries with the smallest priorities per latent: a random sample, if priorities are random.

    Parameters
    ----------
    n_latents : int
        Number of latents.
    size : int
        How many entries each keeps.
    """

    def __init__(self, n_latents: int, size: int) -> None:
        self.priorities = np.full((n_latents, size), LAST)

    def update(self, latent: NDArray[np.integer[Any]], priority: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Offer entries, any number per latent.

        Parameters
        ----------
        latent : int array [n]
            Latent of each.
        priority : uint64 array [n]
            Smaller is kept; among equals the one that came first. 2⁶⁴ - 1 means empty and never enters.

        Returns
        -------
        bool array [n]
            Which of them are kept now.
        """
        enters = priority < self.priorities[latent, -1]
        new = np.flatnonzero(enters)
        slots, slot = np.unique(latent[new], return_inverse=True)
        size = self.priorities.shape[1]
        keys = np.concatenate([self.priorities[slots].ravel(), priority[new]])
        owner = np.concatenate([np.repeat(np.arange(len(slots)), size), slot])
        order = np.lexsort((keys, owner))
        kept = order[rank_within(owner[order]) < size]
        self.priorities[slots] = keys[kept].reshape(-1, size)
        return _came_in(enters, new, kept - len(slots) * size)


class TopTracker:
    """Keep the k best groups per set and latent, each with its best image.

    Takes 12 bytes for each of ``n_sets · d_sae · k`` places.

    Parameters
    ----------
    d_sae : int
        Number of latents.
    n_sets : int
        Number of image sets; more may come.
    k : int
        How many groups each latent keeps in each set.
    """

    def __init__(self, d_sae: int, n_sets: int, k: int) -> None:
        self.d_sae, self.k = d_sae, k
        self._keys = np.empty((0, k), dtype=np.uint64)
        self._groups = np.empty((0, k), dtype=np.int32)
        self._grow(n_sets)

    def update(
        self,
        latent: NDArray[np.integer[Any]],
        set: NDArray[np.integer[Any]],
        group: NDArray[np.integer[Any]],
        value: NDArray[np.float32],
        row: NDArray[np.integer[Any]],
    ) -> NDArray[np.bool_]:
        """Offer entries.

        Parameters
        ----------
        latent, set, group, row : int array [n]
            Of each entry; group from 0 to 2³¹ - 1. A set not seen before makes room for itself.
        value : float32 array [n]
            Larger is better; among equals the earlier row. NaN and values ≤ 0 are never kept.

        Returns
        -------
        bool array [n]
            Which of them are now the best image of one of the k best groups of their set and latent.
        """
        self._grow(int(set.max(initial=-1)) + 1)
        place, key = set.astype(np.int64) * self.d_sae + latent, rank_keys(value, row)
        enters = (key < self._keys[place, -1]) & (value > 0)
        new = np.flatnonzero(enters)
        slots, slot = np.unique(place[new], return_inverse=True)
        keys = np.concatenate([self._keys[slots].ravel(), key[new]])
        groups = np.concatenate([self._groups[slots].ravel(), group[new].astype(np.int32)])
        owner = np.concatenate([np.repeat(np.arange(len(slots)), self.k), slot])
        best = _best_of_groups(owner, groups, keys)
        order = best[np.lexsort((keys[best], owner[best]))]
        kept = order[rank_within(owner[order]) < self.k]
        self._keys[slots] = keys[kept].reshape(-1, self.k)
        self._groups[slots] = groups[kept].reshape(-1, self.k)
        return _came_in(enters, new, kept - len(slots) * self.k)

    def _grow(self, n_sets: int) -> None:
        """Make room for sets; empty places get distinct negative groups, so that they never stand for each other."""
        missing = n_sets * self.d_sae - len(self._keys)
        if missing <= 0:
            return
        empty = np.broadcast_to(-1 - np.arange(self.k, dtype=np.int32), (missing, self.k))
        self._keys = np.concatenate([self._keys, np.full((missing, self.k), LAST)])
        self._groups = np.concatenate([self._groups, empty])


def _best_of_groups(owner: NDArray[np.int64], groups: NDArray[np.int32], keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the positions of the best entry of every group of every owner."""
    order = np.lexsort((keys, groups, owner))
    return order[starts(owner[order]) | starts(groups[order])]


def _came_in(enters: NDArray[np.bool_], new: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of all offered entries are among the kept ones, given by position in `new` (negative: older)."""
    entered = np.zeros_like(enters)
    entered[new[kept[kept >= 0]]] = True
    return entered
