"""Two groups of patients compared latent by latent: barcodes, rank tests, effect sizes, intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.cohort.comparison import CompareOptions, Comparison, TestPower, sort_latents
from cytosae_toolkit.cohort.groups import choose_groups, set_overlap
from cytosae_toolkit.cohort.latent_filter import LatentFilter, filter_latents
from cytosae_toolkit.cohort.mean_intervals import DifferenceBootstrap
from cytosae_toolkit.cohort.provenance import provenance
from cytosae_toolkit.cohort.rank_tests import benjamini_hochberg, mann_whitney, mann_whitney_u, smallest_p
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.cohort import Cohort

__all__ = ["CompareOptions", "Comparison", "compare"]

_LATENTS_AT_ONCE = 1024
_FROM_ATLAS = (
    "name", "verdict", "mean_activation", "frequency", "label_entropy", "dominant_label", "flag_colour",
    "flag_position", "flag_set", "flag_few_cells",
)  # fmt: skip


def compare(
    cohort: Cohort,
    a: str,
    b: str,
    options: CompareOptions | None = None,
    *,
    command: str | None = None,
    progress: Progress = SILENT,
) -> Comparison:
    """Compare two groups of patients.

    Parameters
    ----------
    cohort : Cohort
        From `open_cohort`; of latents or of named concepts.
    a, b : str
        See `choose_groups`.
    options : CompareOptions, optional
        How.
    command : str, optional
        For the provenance; by default the command line.
    progress : Progress
        Whom to tell.

    Returns
    -------
    Comparison
        With p-values unless group and image set coincide.

    Raises
    ------
    CytosaeError
        If the groups do not exist, are too small or overlap, or the barcodes leave nothing to compare.

    Notes
    -----
    A group's barcode is the mean of its patients' barcodes (Eq. 3 of the paper), every patient counting once. The
    probability of superiority is U / (n_a n_b): that a patient of a is above one of b, ties counting half; the
    rank-biserial correlation (Cliff's delta) is twice that minus 1.
    """
    options = options or CompareOptions()
    first, second = choose_groups(cohort, a, b, column=options.column)
    sets = set_overlap(cohort, first, second)
    tests = not sets.coincides or options.despite_confounding
    rows = np.concatenate([first.rows, second.rows])
    barcodes = sparse.csc_array(cohort.barcodes[rows])
    barcodes.eliminate_zeros()
    tested = filter_latents(barcodes, min_mean=options.min_mean, min_share=options.min_share)
    numbers = _numbers(barcodes, len(first), tested.columns, options, tests, progress)
    if tests:
        numbers["q"] = benjamini_hochberg(numbers["p"].to_numpy())
        numbers["discovery"] = numbers["q"] <= options.q
    power = TestPower.of(smallest_p(len(first), len(second)), len(tested.columns), options.q) if tests else None
    return Comparison(
        cohort, first, second, options, sets, tested, power,
        _table(cohort, tested, numbers, options.rank), provenance(cohort, command),
    )  # fmt: skip


def _table(cohort: Cohort, tested: LatentFilter, numbers: pd.DataFrame, rank: str) -> pd.DataFrame:
    """Put what identifies the latents before their numbers and what the atlas knows of them behind."""
    known = cohort.latents.iloc[tested.columns].reset_index(drop=True)
    named = cohort.by_name or "latent" not in known
    front = pd.DataFrame({"name": known["key"]} if named else {"latent": known["latent"].astype(np.int64)})
    behind = known[[column for column in _FROM_ATLAS if column in known and column not in front]]
    if "name" in behind:
        behind = behind.assign(name=behind["name"].astype(object).fillna(""))
        front.insert(1, "name", behind.pop("name"))
    table = pd.concat([front, numbers, behind], axis=1)
    return sort_latents(table, rank).reset_index(drop=True)


def _numbers(
    barcodes: sparse.csc_array,
    n_a: int,
    columns: NDArray[np.int64],
    options: CompareOptions,
    tests: bool,
    progress: Progress,
) -> pd.DataFrame:
    first = np.arange(barcodes.shape[0]) < n_a
    bootstrap = DifferenceBootstrap(n_a, len(first) - n_a, options.bootstraps, options.seed)
    blocks = []
    with progress.task("Comparing latents", len(columns), "latents") as task:
        for start in range(0, len(columns), _LATENTS_AT_ONCE):
            values = barcodes[:, columns[start : start + _LATENTS_AT_ONCE]].toarray()
            blocks.append(_block(values, first, bootstrap, tests))
            task.advance(values.shape[1])
    return pd.concat(blocks, ignore_index=True)


def _block(
    values: NDArray[np.float64], first: NDArray[np.bool_], bootstrap: DifferenceBootstrap, tests: bool
) -> pd.DataFrame:
    """Return the numbers of some latents; values are float64 [n, d]."""
    a, b = values[first], values[~first]
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    low, high = bootstrap.intervals(a, b)
    found = mann_whitney(values, first) if tests else None
    u = mann_whitney_u(values, first) if found is None else found.u
    superiority = u / (len(a) * len(b))
    numbers = {
        "mean_a": mean_a, "mean_b": mean_b, "median_a": np.median(a, axis=0), "median_b": np.median(b, axis=0),
        "difference": mean_a - mean_b, "difference_low": low, "difference_high": high,
        "occurs_a": (a != 0).mean(axis=0), "occurs_b": (b != 0).mean(axis=0),
        "U": u, "superiority": superiority, "rank_biserial": 2 * superiority - 1,
        "contrast": _contrast(mean_a, mean_b),
    }  # fmt: skip
    if found is not None:
        numbers |= {"p": found.p, "q": found.p, "exact": found.exact}
    return pd.DataFrame(numbers)


def _contrast(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (a - b) / (|a| + |b|): 1 if only a has it, -1 if only b, 0 where both are 0."""
    total = np.abs(a) + np.abs(b)
    contrast: NDArray[np.float64] = np.divide(a - b, total, out=np.zeros_like(total), where=total > 0)
    return contrast
