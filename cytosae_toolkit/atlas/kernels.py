"""Loops over non-zero latents and over entries of images, compiled by numba on first use and kept on disk.

Each is sequential and adds in the order of its entries, so that no bit depends on threads or on what else is in the
arrays. The definitions are those of the modules that call them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def count_images(
    start: Array, token: Array, n_tokens: int, prefix: int, pairs: Array, entries: Array, cells: Array
) -> None:
    """Count active latents, entries and entries on patches of each image, int64 [n_images], of latent-major codes."""
    for latent in range(len(start) - 1):
        before = -1
        for entry in range(start[latent], start[latent + 1]):
            image = token[entry] // n_tokens
            entries[image] += 1
            cells[image] += token[entry] - image * n_tokens >= prefix
            pairs[image] += image != before
            before = image


@njit(cache=True, nogil=True)
def summarise(
    start: Array, token: Array, value: Array, n_tokens: int, prefix: int, pair: Array, cell: Array, latents: Array,
    means: Array, largest: Array, peaks: Array, tokens_active: Array, n_patches: Array, patches: Array,
    activations: Array,
) -> None:  # fmt: skip
    """Write what each image keeps of each active latent, image after image; see `cytosae_toolkit.atlas.encoding`.

    `pair` and `cell`, int64 [n_images], say where the pairs and the patch entries of each image begin; they end where
    those end.
    """
    for latent in range(len(start) - 1):
        entry, stop = start[latent], start[latent + 1]
        while entry < stop:
            image = token[entry] // n_tokens
            first, at = np.int64(image * n_tokens), cell[image]
            begin, begin_cell, total, best, where = entry, at, 0.0, np.float32(0), np.int64(-1)
            while entry < stop and token[entry] < first + n_tokens:
                h, patch = value[entry], token[entry] - first - prefix
                total += np.float64(h)
                if patch >= 0:
                    patches[at], activations[at] = patch, h
                    at += 1
                    if h > best:
                        best, where = h, patch
                entry += 1
            place = pair[image]
            latents[place], means[place] = latent, np.float32(total / n_tokens)
            largest[place], peaks[place] = best, where
            tokens_active[place], n_patches[place] = entry - begin, at - begin_cell
            pair[image], cell[image] = place + 1, at


@njit(cache=True, nogil=True)
def add_patches(
    latent: Array, position: Array, activation: Array, scales: tuple[float, float, float], low_bits: int, sums: Array,
    high: Array, low: Array, active: Array,
) -> None:  # fmt: skip
    """Add the patches of an image to the sums of `cytosae_toolkit.atlas.accumulators.PatchSums`.

    `scales` are 2³⁰, 2¹⁰ and 2⁴⁰; `sums` is int64 [positions, d_sae], the others int64 [d_sae].
    """
    fixed, of_high, of_low = scales
    mask = (np.int64(1) << low_bits) - 1
    for i in range(len(latent)):
        s, exact = latent[i], np.float64(activation[i])
        sums[position[i], s] += np.int64(np.rint(exact * fixed))
        scaled = exact * exact * of_high
        whole = np.floor(scaled)
        rest = low[s] + np.int64(np.rint((scaled - whole) * of_low))
        high[s] += np.int64(whole) + (rest >> low_bits)
        low[s] = rest & mask
        active[s] += 1


@njit(cache=True, nogil=True)
def enter_groups(
    place: Array, group: Array, key: Array, keys: Array, groups: Array, owner: Array, entered: Array
) -> None:
    """Offer entries to the k best groups of their places, the smallest key first, each group by its best entry.

    Parameters
    ----------
    place, group : int64 array [n]
        Row of the tables; group.
    key : uint64 array [n]
        2⁶⁴ - 1 never enters.
    keys, groups : uint64, int32 array [places, k]
        The best so far, ascending by key.
    owner : int32 array [places, k]
        Which of the entries each is, all -1 before and after.
    entered : bool array [n]
        All False; set for entries that are among the best in the end.
    """
    k = keys.shape[1]
    for i in range(len(place)):
        p, mine = place[i], key[i]
        if mine >= keys[p, k - 1]:
            continue
        slot = 0
        while slot < k - 1 and groups[p, slot] != group[i]:
            slot += 1
        if groups[p, slot] == group[i] and keys[p, slot] <= mine:
            continue
        if owner[p, slot] >= 0:
            entered[owner[p, slot]] = False
        while slot > 0 and keys[p, slot - 1] > mine:
            keys[p, slot], groups[p, slot], owner[p, slot] = keys[p, slot - 1], groups[p, slot - 1], owner[p, slot - 1]
            slot -= 1
        keys[p, slot], groups[p, slot], owner[p, slot] = mine, group[i], i
        entered[i] = True
    for i in range(len(place)):
        if entered[i]:
            owner[place[i]] = -1


@njit(cache=True, nogil=True)
def enter_smallest(place: Array, key: Array, keys: Array, owner: Array, entered: Array) -> None:
    """Offer entries to the smallest keys of their places; as `enter_groups`, without groups."""
    k = keys.shape[1]
    for i in range(len(place)):
        p, mine = place[i], key[i]
        if mine >= keys[p, k - 1]:
            continue
        slot = k - 1
        if owner[p, slot] >= 0:
            entered[owner[p, slot]] = False
        while slot > 0 and keys[p, slot - 1] > mine:
            keys[p, slot], owner[p, slot] = keys[p, slot - 1], owner[p, slot - 1]
            slot -= 1
        keys[p, slot], owner[p, slot] = mine, i
        entered[i] = True
    for i in range(len(place)):
        if entered[i]:
            owner[place[i]] = -1


@njit(cache=True, nogil=True)
def copy_ranges(begins: Array, ends: Array, source: Array, out: Array) -> None:
    """Copy runs of `source`, which begin at `begins`, one after the other; run i ends before ``out[ends[i]]``."""
    at = 0
    for i in range(len(begins)):
        shift = begins[i] - at
        while at < ends[i]:
            out[at] = source[at + shift]
            at += 1
