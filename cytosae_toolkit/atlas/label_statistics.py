"""What a latent says about labels: entropy of its references, dominant label, precision of the best label.

Every group counts once and has one label: that of most of its labelled images, among equals of the earliest. Images
without a label do not count. Between equals the alphabetically earlier label wins.

With w_r the image means of the 10 best labelled references (one per group) and p_c = Σ_{r: label c} w_r / Σ w_r

* label entropy H = -Σ_c p_c ln p_c, undefined with fewer than 10 such references;
* the entropy expected under shuffled labels is the mean of H over 256 draws in which the references keep their w_r and
  get the labels of 10 groups drawn without replacement from all labelled groups - the same draws for every latent;
* the dominant label is that of the largest p_c, from one reference on; its share p_c only from 10 on.

The best label is the one of most labelled groups on which the latent is active; its precision is their share among
all labelled groups on which it is active.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.references import first_of_groups, top_references
from cytosae_toolkit.atlas.segments import divide, starts

REFERENCES = 10
"""Entropy uses this many references, however many are kept."""
DRAWS = 256
SEED = 20250712


@dataclass(frozen=True)
class LabelStatistics:
    """Statistics of labels; each array [n_latents].

    Parameters
    ----------
    entropy, entropy_shuffled : float64
        In nats; NaN with fewer than 10 labelled references.
    dominant : int64
        Position in `ImageFacts.label_names`; -1 without labelled references.
    dominant_share : float64
        p_c of the dominant label; NaN with fewer than 10 labelled references.
    best : int64
        Position of the best label; -1 if active on no labelled group.
    best_precision : float64
        Of the best label; NaN if active on no labelled group.
    """

    entropy: NDArray[np.float64]
    entropy_shuffled: NDArray[np.float64]
    dominant: NDArray[np.int64]
    dominant_share: NDArray[np.float64]
    best: NDArray[np.int64]
    best_precision: NDArray[np.float64]


def label_statistics(columns: Columns, facts: ImageFacts) -> LabelStatistics | None:
    """Return the statistics of labels, or None where no image has a label."""
    if not facts.labelled:
        return None
    weights, labels = _best_labelled(columns, facts, None)
    full = labels[:, -1] >= 0
    share = _shares(weights, labels)
    best, precision = _best_label(columns, facts)
    dominant, largest = _dominant(share, labels)
    return LabelStatistics(
        entropy=np.where(full, _entropy(share, labels), np.nan),
        entropy_shuffled=np.where(full, _shuffled(weights, facts), np.nan),
        dominant=_decode(dominant, facts),
        dominant_share=np.where(full, largest, np.nan),
        best=_decode(best, facts),
        best_precision=precision,
    )


def label_entropy(
    columns: Columns, facts: ImageFacts, rows_mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the label entropy of the 10 best references among some images; NaN with fewer labelled ones.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images.
    rows_mask : bool array [n_images], optional
        Images that may be references; default all.
    """
    weights, labels = _best_labelled(columns, facts, rows_mask)
    return np.where(labels[:, -1] >= 0, _entropy(_shares(weights, labels), labels), np.nan)


def _best_labelled(
    columns: Columns, facts: ImageFacts, rows_mask: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return means (0 where empty) and alphabetical labels (-1 where empty) of the 10 best, [n_latents, 10]."""
    labelled = facts.labels >= 0
    found = top_references(columns, facts, REFERENCES, labelled if rows_mask is None else labelled & rows_mask)
    labels = np.append(facts.alphabetical, -1)[np.append(facts.group_labels, -1)[_groups(found.rows, facts)]]
    return np.nan_to_num(found.values).astype(np.float64), labels


def _groups(rows: NDArray[np.int32], facts: ImageFacts) -> NDArray[np.int64]:
    return np.where(rows >= 0, facts.groups[rows], facts.n_groups)


def _shares(weights: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return p_c of the label of each reference; every sum runs in the order of the references."""
    share, whole = np.zeros_like(weights), np.zeros(len(weights))
    for r in range(weights.shape[1]):
        share += np.where(labels == labels[:, [r]], weights[:, [r]], 0)
        whole += weights[:, r]
    return divide(share, whole[:, None])


def _entropy(share: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return -Σ p ln p, each label at its first reference."""
    entropy = np.zeros(len(share))
    for r in range(share.shape[1]):
        new = ~(labels[:, :r] == labels[:, [r]]).any(axis=1) & (share[:, r] > 0)
        entropy -= np.where(new, share[:, r] * np.log(share[:, r], where=new, out=np.zeros(len(share))), 0)
    return entropy


def _shuffled(weights: NDArray[np.float64], facts: ImageFacts) -> NDArray[np.float64]:
    """Return the mean entropy over draws of group labels without replacement."""
    pool = facts.group_labels[facts.group_labels >= 0]
    if len(pool) < REFERENCES:
        return np.full(len(weights), np.nan)
    rng = np.random.default_rng(SEED)
    patterns = [_pattern(pool[rng.choice(len(pool), REFERENCES, replace=False)]) for _ in range(DRAWS)]
    different, counts = np.unique(patterns, axis=0, return_counts=True)
    whole = np.cumsum(weights, axis=1)[:, -1]
    mean = np.zeros(len(weights))
    for pattern, count in zip(different, counts, strict=True):
        for label in range(pattern.max() + 1):
            share = np.zeros(len(weights))
            for r in np.flatnonzero(pattern == label):
                share += weights[:, r]
            share = divide(share, whole)
            mean -= share * np.log(share, where=share > 0, out=np.zeros(len(share))) * (count / DRAWS)
    return mean


def _pattern(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return labels numbered by first appearance: entropy sees only which references share one."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse])


def _dominant(share: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return label and share of the largest p_c; of equals the alphabetically first label."""
    share = np.where(labels >= 0, share, -1)
    largest = share.max(axis=1)
    found = np.where((share == largest[:, None]) & (labels >= 0), labels, np.iinfo(np.int64).max).min(axis=1)
    return np.where(labels[:, 0] >= 0, found, -1), largest


def _best_label(columns: Columns, facts: ImageFacts) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the alphabetical label of most labelled groups on which each latent is active, and their share."""
    entries = np.flatnonzero((facts.labels >= 0)[columns.rows])
    latent, group = columns.latent[entries], facts.groups[columns.rows[entries]]
    if len(facts) > facts.n_groups:
        once = first_of_groups(latent, group)
        latent, group = latent[once], group[once]
    n_labels = len(facts.label_names)
    pair = latent * n_labels + facts.alphabetical[facts.group_labels[group]]
    pairs, counts = np.unique(pair, return_counts=True)
    order = np.lexsort((pairs, -counts, pairs // n_labels))
    first = order[starts((pairs // n_labels)[order])]
    best, precision = np.full(columns.n_latents, -1), np.full(columns.n_latents, np.nan)
    owner = pairs[first] // n_labels
    best[owner] = pairs[first] % n_labels
    precision[owner] = counts[first] / np.bincount(latent, minlength=columns.n_latents)[owner]
    return best, precision


def _decode(alphabetical: NDArray[np.int64], facts: ImageFacts) -> NDArray[np.int64]:
    """Turn places in the alphabet into positions in `label_names`; -1 stays."""
    return np.append(np.argsort(facts.alphabetical), -1)[alphabetical]
