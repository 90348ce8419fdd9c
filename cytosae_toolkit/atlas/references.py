"""Reference images: the best images of each latent, at most one per group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.segments import rank_within, starts


@dataclass(frozen=True)
class References:
    """References of latents, best first.

    Parameters
    ----------
    rows : int32 array [n_latents, k]
        Row of the image; -1 for an empty place.
    values : float32 array [n_latents, k]
        Image mean m_i; NaN for an empty place.
    peaks : int32 array [n_latents, k]
        Patch of the maximum; -1 for an empty place, or where only a prefix token fires.
    """

    rows: NDArray[np.int32]
    values: NDArray[np.float32]
    peaks: NDArray[np.int32]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of references of each latent, int64 [n_latents]."""
        return np.asarray((self.rows >= 0).sum(axis=1), dtype=np.int64)

    def distinct(self, codes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Return how many different codes ≥ 0 the references of each latent have, int64 [n_latents].

        Parameters
        ----------
        codes : int array [n_images]
            For example the patient of each image.
        """
        found = np.where(self.rows >= 0, codes[self.rows], -1)
        found = np.sort(found, axis=1)
        new = np.ones(found.shape, dtype=bool)
        new[:, 1:] = found[:, 1:] != found[:, :-1]
        return np.asarray((new & (found >= 0)).sum(axis=1), dtype=np.int64)


def top_references(
    columns: Columns, facts: ImageFacts, k: int, rows_mask: NDArray[np.bool_] | None = None
) -> References:
    """Return the k best references of each latent, ranked by image mean, one per group.

    A group stands with its best image; among equals the earlier row comes first.

    Parameters
    ----------
    columns : Columns
        Values of the latents.
    facts : ImageFacts
        Gives the groups.
    k : int
        How many places.
    rows_mask : bool array [n_images], optional
        Images that may be references; default all.
    """
    ranked = columns.ranking
    if rows_mask is not None:
        ranked = ranked[rows_mask[columns.rows[ranked]]]
    return gather(columns, _first_groups(columns, facts, ranked, k), k)


def _first_groups(columns: Columns, facts: ImageFacts, ranked: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return of ranked entries those that are the best of one of the first k groups of their latent."""
    largest = int(facts.group_sizes.max(initial=1))
    ranked = ranked[rank_within(columns.latent[ranked]) <= (k - 1) * largest]  # k groups are surely among these
    if largest > 1:
        ranked = ranked[first_of_groups(columns.latent[ranked], facts.groups[columns.rows[ranked]])]
    return ranked[rank_within(columns.latent[ranked]) < k]


def first_of_groups(latent: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the positions, rising, at which a pair of latent and group occurs for the first time."""
    pair = latent * (int(group.max(initial=-1)) + 1) + group
    order = np.argsort(pair, kind="stable")
    return np.sort(order[starts(pair[order])])


def gather(columns: Columns, entries: NDArray[np.int64], k: int) -> References:
    """Lay chosen entries, ordered by latent, out as a table of k places.

    Parameters
    ----------
    columns : Columns
        Where the entries are.
    entries : int64 array
        Their positions, at most k for each latent.
    k : int
        Places per latent.
    """
    latent = columns.latent[entries]
    place = latent, rank_within(latent)
    shape = columns.n_latents, k
    rows, peaks = np.full(shape, -1, dtype=np.int32), np.full(shape, -1, dtype=np.int32)
    values = np.full(shape, np.nan, dtype=np.float32)
    rows[place], values[place], peaks[place] = columns.rows[entries], columns.mean[entries], columns.peak[entries]
    return References(rows, values, peaks)
