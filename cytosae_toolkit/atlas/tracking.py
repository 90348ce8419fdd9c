"""What is worth keeping while images stream by: the best groups per latent and set, and random images per latent.

Both answer, batch by batch, which entries belong to the kept ones *at this moment*. Every entry that belongs to them
in the end was answered "yes" when it came, however the stream is cut into batches, shards or resumed parts; the final
choice is made from all values (`top_references`, `smallest_priorities`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.segments import LAST, rank_keys


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
        self._owner = np.full((n_latents, size), -1, dtype=np.int32)

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
        from cytosae_toolkit.atlas.kernels import enter_smallest

        entered = np.zeros(len(latent), dtype=bool)
        enter_smallest(latent.astype(np.int64), priority, self.priorities, self._owner, entered)
        return entered


class TopTracker:
    """Keep the k best groups per set and latent, each with its best image.

    Takes 16 bytes for each of ``n_sets · d_sae · k`` places.

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
        self._owner = np.empty((0, k), dtype=np.int32)
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
        from cytosae_toolkit.atlas.kernels import enter_groups

        self._grow(int(set.max(initial=-1)) + 1)
        place = set.astype(np.int64) * self.d_sae + latent
        key = np.where(value > 0, rank_keys(value, row), LAST)
        entered = np.zeros(len(place), dtype=bool)
        enter_groups(place, group.astype(np.int64), key, self._keys, self._groups, self._owner, entered)
        return entered

    def _grow(self, n_sets: int) -> None:
        """Make room for sets; empty places get distinct negative groups, so that they never stand for each other."""
        missing = n_sets * self.d_sae - len(self._keys)
        if missing <= 0:
            return
        empty = np.broadcast_to(-1 - np.arange(self.k, dtype=np.int32), (missing, self.k))
        self._keys = np.concatenate([self._keys, np.full((missing, self.k), LAST)])
        self._groups = np.concatenate([self._groups, empty])
        self._owner = np.concatenate([self._owner, np.full((missing, self.k), -1, dtype=np.int32)])
