"""How well a latent tells the image sets apart where the labels are the same.

For a set S and a stratum c (a label; all images where there are none) let U_c be the number of pairs of an image in S
and one outside it, both in c, in which the one inside has the larger image mean m_i, ties (such as two zeros) counting
one half. AUROC_S = Σ_c U_c / Σ_c (number of pairs in c): pairs are never made across labels, so a different mix of cell
types is not mistaken for a difference between sets. One image per group: its first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.segments import starts, total

MIN_PAIRS = 100
"""Sets with fewer pairs are left out."""


def set_auroc(columns: Columns, facts: ImageFacts) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how well each latent tells the set that it tells best.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images. Groups without a label are left out where others have one.

    Returns
    -------
    auroc : float64 array [n_latents]
        The largest max(AUROC_S, 1 - AUROC_S); NaN where no set has `MIN_PAIRS` pairs.
    sets : int64 array [n_latents]
        Position of that set in `ImageFacts.set_names`, -1 for none. Of equals one on which the latent is stronger,
        then the first.
    """
    stratum = facts.strata
    counts = _counts(stratum, facts)
    sizes = counts.sum(axis=1)
    pairs = (counts * (sizes[:, None] - counts)).sum(axis=0)
    usable = np.flatnonzero(pairs >= MIN_PAIRS)
    if not len(usable):
        return np.full(columns.n_latents, np.nan), np.full(columns.n_latents, -1)
    excess = (_excess(columns, facts, stratum, counts)[:, usable]) / (2 * pairs[usable])
    strength = np.abs(excess)
    largest = strength.max(axis=1)
    best = np.argmax(2 * (strength == largest[:, None]) + (excess >= 0), axis=1)
    return 0.5 + largest, usable[best]


def _counts(stratum: NDArray[np.int64], facts: ImageFacts) -> NDArray[np.int64]:
    """Return the number of images of each stratum and set, int64 [strata, sets]."""
    shape = int(stratum.max(initial=0)) + 1, len(facts.set_names)
    used = stratum >= 0
    flat = np.bincount(stratum[used] * shape[1] + facts.sets[used], minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape))


def _excess(
    columns: Columns, facts: ImageFacts, stratum: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return 2 U - (number of pairs) of each latent and set, exact; float64 [n_latents, sets].

    U of a stratum is the rank sum of the set's images less n_S (n_S + 1) / 2. With N images of which A are active,
    an active image ranks N - A places above its midrank among the active ones, and the others share (N - A + 1) / 2.
    So 2 U less the pairs is Σ over active images of S of (2 midrank + N - A - 1), less n_S for every active image.
    """
    n_sets = len(facts.set_names)
    entries = columns.ranking
    entries = entries[stratum[columns.rows[entries]] >= 0]
    code = columns.latent[entries] * len(counts) + stratum[columns.rows[entries]]
    order = np.argsort(code, kind="stable")
    entries, code = entries[order], code[order]
    latent, rows = columns.latent[entries], columns.rows[entries]
    midranks, n_active = _doubled_midranks(code, columns.mean[entries])
    above = midranks + counts.sum(axis=1)[stratum[rows]] - n_active - 1
    excess = total(latent * n_sets + facts.sets[rows], above, columns.n_latents * n_sets).reshape(-1, n_sets)
    for s in range(n_sets):
        excess[:, s] -= total(latent, counts[stratum[rows], s], columns.n_latents)
    return excess


def _doubled_midranks(
    code: NDArray[np.int64], falling: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return twice the rank from below (equals share the mean rank) and the length of each element's run of `code`."""
    run, length = _runs(starts(code))
    tie, n_equal = _runs(starts(code) | starts(falling))
    return 2 * length - 2 * (tie - run) - n_equal + 1, length


def _runs(begins: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each element's run begins, and how long it is."""
    first = np.flatnonzero(begins)
    lengths = np.diff(first, append=len(begins))
    return np.repeat(first, lengths), np.repeat(lengths, lengths)
