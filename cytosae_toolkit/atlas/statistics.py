"""Statistics of a range of latents over an image set, from their per-image values.

* mean activation = Σ m_i / number of images on which the latent is active, 0 if there is none; the sum runs in the
  order of rows in float64;
* frequency = share of images on which it is active; density = share of patches;
* label statistics, references and control card: see their modules.

Every number of a latent is computed from its own values alone, in a fixed order: cut into whatever ranges, the bits are
the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.control import ControlCard, FlagLimits, control_card, flags
from cytosae_toolkit.atlas.label_statistics import LabelStatistics, label_entropy, label_statistics
from cytosae_toolkit.atlas.positions import PatchTotals
from cytosae_toolkit.atlas.references import References, first_of_groups, top_references
from cytosae_toolkit.atlas.sampling import near_misses, typical
from cytosae_toolkit.atlas.segments import divide, total

BINS_PER_DECADE = 4
LOWEST, HIGHEST = -6, 4
HISTOGRAM_EDGES = np.linspace(LOWEST, HIGHEST, (HIGHEST - LOWEST) * BINS_PER_DECADE + 1)
"""Edges of the histogram of log10 m_i; the outer bins hold what lies beyond them."""
SET_STATISTICS = ("mean_activation", "frequency", "density", "max_activation", "label_entropy")
"""Columns of ``stats:<set>``."""


@dataclass(frozen=True)
class RangeStatistics:
    """Statistics of latents ``first … first + n_latents - 1``.

    Parameters
    ----------
    first : int
        First latent.
    var : dict of array [n_latents]
        Columns of `var` by name; those of labels are absent where no image has one.
    varm : dict of array [n_latents, any]
        Arrays of `varm` by name.
    """

    first: int
    var: dict[str, NDArray[Any]]
    varm: dict[str, NDArray[Any]]


def summarise(
    columns: Columns,
    facts: ImageFacts,
    totals: PatchTotals,
    *,
    k: int,
    candidates: NDArray[np.bool_],
    limits: FlagLimits = FlagLimits(),
) -> RangeStatistics:
    """Return all statistics of a range of latents.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images.
    totals : PatchTotals
        Sums over patches of the same latents.
    k : int
        References per latent.
    candidates : bool array [nnz]
        Entries that may become typical images (`smallest_priorities`).
    limits : FlagLimits
        Where flags begin.
    """
    labels = label_statistics(columns, facts)
    references = top_references(columns, facts, k)
    n_groups = active_groups(columns, facts)
    card = control_card(columns, facts, totals)
    var: dict[str, NDArray[Any]] = {
        "mean_activation": mean_activation(columns),
        "frequency": columns.n_active / max(columns.n_images, 1),
        "n_images": columns.n_active,
        "n_groups": n_groups,
        "density": totals.density,
        "density_tokens": totals.density_tokens,
        "max_activation": max_activation(columns),
        **_label_columns(labels, facts),
        "n_references": references.counts,
        "n_reference_patients": references.distinct(facts.patients),
        "n_reference_sets": references.distinct(facts.sets),
        **_card_columns(card, facts),
        **{f"flag_{name}": flagged for name, flagged in flags(card, n_groups, limits).items()},
    }
    dominant = np.full(columns.n_latents, -1) if labels is None else labels.dominant
    typical_rows, typical_peaks = typical(columns, facts, candidates)
    varm = {
        **_reference_arrays(references, ""),
        "typical_rows": typical_rows,
        "typical_peaks": typical_peaks,
        "miss_rows": near_misses(columns, facts, dominant),
        "histogram": histogram(columns),
    }
    for s, name in enumerate(facts.set_names):
        varm |= _of_set(columns, facts, totals, s, name, k)
    return RangeStatistics(columns.first, var, varm)


def mean_activation(columns: Columns) -> NDArray[np.float64]:
    """Return the mean of m_i over the images on which each latent is active, 0 if none; float64 [n_latents]."""
    return total(columns.latent, columns.mean, columns.n_latents) / np.maximum(columns.n_active, 1)


def max_activation(columns: Columns) -> NDArray[np.float32]:
    """Return the largest activation of each latent on any patch, 0 if none; float32 [n_latents]."""
    largest = np.zeros(columns.n_latents, dtype=np.float32)
    fires = columns.n_active > 0
    if fires.any():
        largest[fires] = np.maximum.reduceat(columns.max, columns.indptr[:-1][fires])
    return largest


def active_groups(columns: Columns, facts: ImageFacts) -> NDArray[np.int64]:
    """Return on how many groups each latent is active, on any of their images; int64 [n_latents]."""
    if len(facts) == facts.n_groups:
        return columns.n_active
    once = first_of_groups(columns.latent, facts.groups[columns.rows])
    return np.bincount(columns.latent[once], minlength=columns.n_latents)


def histogram(columns: Columns) -> NDArray[np.int32]:
    """Return how many m_i of each latent fall between `HISTOGRAM_EDGES`, the lower edge included; [n_latents, 40]."""
    n_bins = len(HISTOGRAM_EDGES) - 1
    quarters = np.floor(np.log10(columns.mean.astype(np.float64)) * BINS_PER_DECADE).astype(np.int64)
    bins = np.clip(quarters - LOWEST * BINS_PER_DECADE, 0, n_bins - 1)
    counts = np.bincount(columns.latent * n_bins + bins, minlength=columns.n_latents * n_bins)
    return counts.reshape(columns.n_latents, n_bins).astype(np.int32)


def _label_columns(labels: LabelStatistics | None, facts: ImageFacts) -> dict[str, NDArray[Any]]:
    if labels is None:
        return {}
    return {
        "label_entropy": labels.entropy,
        "label_entropy_shuffled": labels.entropy_shuffled,
        "dominant_label": _names(labels.dominant, facts.label_names),
        "dominant_share": labels.dominant_share,
        "best_label": _names(labels.best, facts.label_names),
        "best_precision": labels.best_precision,
    }


def _card_columns(card: ControlCard, facts: ImageFacts) -> dict[str, NDArray[Any]]:
    return vars(card) | {"set_auroc_set": _names(card.set_auroc_set, facts.set_names)}


def _names(codes: NDArray[np.int64], names: list[str]) -> NDArray[np.object_]:
    """Return the names of codes, empty for -1."""
    return np.array([*names, ""], dtype=object)[codes]


def _reference_arrays(references: References, suffix: str) -> dict[str, NDArray[Any]]:
    return {f"ref_{name}{suffix}": array for name, array in vars(references).items()}


def _of_set(
    columns: Columns, facts: ImageFacts, totals: PatchTotals, s: int, name: str, k: int
) -> dict[str, NDArray[Any]]:
    """Return references and `SET_STATISTICS` of one image set."""
    inside = facts.sets == s
    own = columns.restrict(inside[columns.rows])
    statistics: dict[str, NDArray[Any]] = {
        "mean_activation": mean_activation(own),
        "frequency": divide(own.n_active, inside.sum()),
        "density": totals.density_in(s),
        "max_activation": max_activation(own),
        "label_entropy": label_entropy(own, facts) if facts.labelled else np.full(own.n_latents, np.nan),
    }
    table = np.stack([statistics[column] for column in SET_STATISTICS], axis=1).astype(np.float64)
    return {f"stats:{name}": table} | _reference_arrays(top_references(own, facts, k), f":{name}")
