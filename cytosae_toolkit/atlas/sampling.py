"""Images drawn at random, the same ones every time: typical images by quartile of activation, and near misses.

Chance comes from hashes of the latent and the image's key, so a draw depends neither on the order of the images nor
on which latents are computed together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.references import first_of_groups
from cytosae_toolkit.atlas.segments import LAST, rank_within

NEAR_MISSES = 3
"""How many near misses a latent gets."""
QUARTILES = 4
PER_QUARTILE = 3
"""How many typical images a latent gets of each quartile."""


def priority(latent: NDArray[Any] | int, key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return pseudo-random numbers from 0 to 2⁶⁴ - 2, a function of latent and image key alone.

    The mixing of SplitMix64 (Steele, Lea and Flood 2014), applied twice.

    Parameters
    ----------
    latent : int array [n], or int
        Number of the latent, or anything that tells one draw from another.
    key : uint64 array [n]
        Keys of the images.
    """
    step = np.uint64(0x9E3779B97F4A7C15)
    drawn = _mix(_mix((np.atleast_1d(latent).astype(np.uint64) + np.uint64(1)) * step) ^ key)
    return np.minimum(drawn, LAST - np.uint64(1))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def entry_priorities(columns: Columns, facts: ImageFacts) -> NDArray[np.uint64]:
    """Return the priority of each entry, uint64 [nnz]."""
    return priority(columns.latent + columns.first, facts.keys[columns.rows])


def smallest_priorities(columns: Columns, facts: ImageFacts, size: int) -> NDArray[np.bool_]:
    """Return which entries are the `size` of smallest priority of their latent, among equals the earlier row.

    What a `Reservoir` of this size holds at the end of the images.
    """
    order = np.lexsort((entry_priorities(columns, facts), columns.latent))
    chosen = np.zeros(len(order), dtype=bool)
    chosen[order[rank_within(columns.latent[order]) < size]] = True
    return chosen


def quartiles(columns: Columns) -> NDArray[np.int64]:
    """Return the quartile of activation of each entry among those of its latent, 0 (weakest) to 3; int64 [nnz].

    With the n means of a latent in rising order v_1 … v_n, an entry's quartile is the number of q in 1, 2, 3 with
    mean > v_⌈nq/4⌉, so equal means share a quartile.
    """
    rising = columns.mean[columns.ranking[::-1]]
    n = columns.n_active
    begin = columns.indptr[-1] - columns.indptr[1:]  # the ranking backwards: last latent first, weakest first
    quartile = np.zeros(len(columns.rows), dtype=np.int64)
    for q in range(1, QUARTILES):
        at = begin + (n * q + QUARTILES - 1) // QUARTILES - 1
        edge = np.append(rising, np.float32(0))[np.where(n > 0, at, len(rising))]
        quartile += columns.mean > edge[columns.latent]
    return quartile


def typical(
    columns: Columns, facts: ImageFacts, candidates: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw random images from each quartile of activation of each latent, at most one per group.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images; quartiles are those of all entries.
    candidates : bool array [nnz]
        Entries that may be drawn, themselves a random choice (`smallest_priorities`).

    Returns
    -------
    rows, peaks : int32 array [n_latents, 12]
        Weakest quartile first, within it in the order drawn; -1 for an empty place.
    """
    entries = np.flatnonzero(candidates)
    latent, rows = columns.latent[entries], columns.rows[entries]
    order = np.lexsort((priority(latent + columns.first, facts.keys[rows]), latent))
    entries = entries[order[first_of_groups(latent[order], facts.groups[rows[order]])]]
    cell = columns.latent[entries] * QUARTILES + quartiles(columns)[entries]
    order = np.argsort(cell, kind="stable")
    place = rank_within(cell[order])
    order, place = order[place < PER_QUARTILE], place[place < PER_QUARTILE]
    found = np.full((2, columns.n_latents * QUARTILES, PER_QUARTILE), -1, dtype=np.int32)
    found[:, cell[order], place] = columns.rows[entries[order]], columns.peak[entries[order]]
    drawn = found.reshape(2, columns.n_latents, QUARTILES * PER_QUARTILE)
    return drawn[0], drawn[1]


def near_misses(columns: Columns, facts: ImageFacts, label: NDArray[np.int64]) -> NDArray[np.int32]:
    """Draw images of a latent's dominant label on which it is silent, from different groups.

    A group of that label stands with its image of smallest key, and is silent if the latent fires on none of its
    images. Groups of a label lie on a ring in the order of keys; each latent starts at its own random place.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images.
    label : int array [n_latents]
        Dominant label of each latent, -1 for none.

    Returns
    -------
    int32 array [n_latents, NEAR_MISSES]
        Rows of images; -1 for an empty place.
    """
    ring, begin, size = _rings(facts)
    at_place = np.zeros(facts.n_groups, dtype=np.int64)
    at_place[facts.groups[ring]] = np.arange(len(ring))
    n = np.where(label >= 0, size[label], 0)
    offset = _start(columns, n)
    group = facts.groups[columns.rows]
    fires = np.flatnonzero(facts.group_labels[group] == np.where(label >= 0, label, -2)[columns.latent])
    latent = columns.latent[fires]
    place = (at_place[group[fires]] - begin[label[latent]] - offset[latent]) % np.maximum(n[latent], 1)
    taken = np.unique(latent * len(facts) + place)
    free = _first_free(taken // len(facts), taken % len(facts), columns.n_latents)
    inside = np.maximum(begin[label], 0)[:, None] + (free + offset[:, None]) % np.maximum(n, 1)[:, None]
    rows = np.append(ring, -1)[np.where(free < n[:, None], inside, len(ring))]
    return rows.astype(np.int32)


def _rings(facts: ImageFacts) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return one row per labelled group, by label and key, and where each label begins and how many it has."""
    rows = np.lexsort((np.arange(len(facts)), facts.keys))
    rows = rows[facts.labels[rows] >= 0]
    _, first = np.unique(facts.groups[rows], return_index=True)
    rows = rows[np.sort(first)]
    labels = facts.group_labels[facts.groups[rows]]
    rows = rows[np.argsort(labels, kind="stable")]
    size = np.bincount(labels, minlength=max(len(facts.label_names), 1))
    return rows, np.cumsum(size) - size, size


def _start(columns: Columns, n: NDArray[np.int64]) -> NDArray[np.int64]:
    latents = np.arange(columns.n_latents) + columns.first
    drawn = priority(latents, np.zeros(columns.n_latents, dtype=np.uint64))
    return (drawn % np.maximum(n, 1).astype(np.uint64)).astype(np.int64)


def _first_free(latent: NDArray[np.int64], place: NDArray[np.int64], n_latents: int) -> NDArray[np.int64]:
    """Return the first places from 0 that are not taken, int64 [n_latents, NEAR_MISSES].

    Before the j-th taken place a_j (both from 0) lie a_j - j free ones; so the t-th free place is t plus the number
    of taken ones with a_j - j ≤ t.
    """
    before = place - rank_within(latent)
    counts = [np.bincount(latent[before <= t], minlength=n_latents) + t for t in range(NEAR_MISSES)]
    return np.stack(counts, axis=1)


def evenly(quartiles: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """Choose equally many of each quartile, as far as there are; what is left over goes to the strongest first.

    Parameters
    ----------
    quartiles : int64 array [n]
        0 (weakest) to 3, ascending.
    limit : int
        How many at most.

    Returns
    -------
    int64 array
        Positions of the chosen, ascending.
    """
    turn = rank_within(quartiles)
    return np.sort(np.lexsort((-quartiles, turn))[:limit])
