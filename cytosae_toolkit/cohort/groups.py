"""Two groups of patients, and whether they come from the same image sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError, nearest

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.cohort import Cohort

REST = "rest"
SMALL_GROUP = 20
"""Groups with fewer patients are said first."""

MUST_SHARE = 0.8
"""Share of the patients from sets that hold both groups, below which sets may explain the largest differences."""


@dataclass(frozen=True)
class Group:
    """Some patients.

    Parameters
    ----------
    name : str
        As the user wrote it.
    rows : int64 array
        Rows of the cohort, rising.
    """

    name: str
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of patients."""
        return len(self.rows)


def choose_groups(cohort: Cohort, a: str, b: str, *, column: str = "disease") -> tuple[Group, Group]:
    """Find the patients of two groups.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    a, b : str
        A value of the column; several joined by ``+``; or ``rest``, all other patients whose value is known.
    column : str
        Of `obs`.

    Raises
    ------
    CytosaeError
        If there is no such column or value, both are the same, they share patients, or one has fewer than two.
    """
    values = cohort.column(column)
    known = {value for value in values if value is not None}
    if a == b:
        raise CytosaeError(f"Both groups are {a!r}.", "Name two different ones.")
    members = [None if _is_rest(name, known) else _members(values, known, name, column) for name in (a, b)]
    if members[0] is None and members[1] is None:
        raise CytosaeError("Both groups are the rest.", "Name at least one.")
    has_value = np.array([value is not None for value in values])
    first, second = (
        has_value & ~other if own is None else own  # type: ignore[operator]  # not both are None
        for own, other in (members, members[::-1])
    )
    _check(a, first, b, second, cohort)
    return Group(a, np.flatnonzero(first)), Group(b, np.flatnonzero(second))


def _is_rest(name: str, known: set[str]) -> bool:
    return name == REST and REST not in known


def _members(values: NDArray[np.object_], known: set[str], name: str, column: str) -> NDArray[np.bool_]:
    wanted = {name} if name in known else {part.strip() for part in name.split("+")}
    for part in sorted(wanted - known):
        raise CytosaeError(f"No patient has {column} {part!r}.", nearest(part, [*sorted(known), REST]))
    return np.isin(values.astype(str), sorted(wanted))


def _check(a: str, first: NDArray[np.bool_], b: str, second: NDArray[np.bool_], cohort: Cohort) -> None:
    if np.array_equal(first, second):
        raise CytosaeError(f"The groups {a!r} and {b!r} are the same patients.", "Name two different groups.")
    both = np.flatnonzero(first & second)
    if len(both):
        raise CytosaeError(
            f"{len(both)} patients are in both groups, such as {cohort.patients[both[0]]}.", "Give groups apart."
        )
    for name, members in ((a, first), (b, second)):
        if members.sum() < 2:
            raise CytosaeError(
                f"The group {name!r} has {members.sum()} patient{'' if members.sum() == 1 else 's'}.",
                "A comparison needs two or more in each group.",
            )


@dataclass(frozen=True)
class SetOverlap:
    """How two groups spread over the image sets: a difference between sets looks like one between groups.

    Parameters
    ----------
    counts : pandas.DataFrame
        Patients by group (two columns, the groups' names) and image set (rows).
    shared : float
        Share of the patients who come from a set in which both groups occur.
    p : float
        That group and set are independent: Fisher's exact test for two sets, else chi-squared; 1 for one set.
    test : str
        Which test.
    """

    counts: pd.DataFrame
    shared: float
    p: float
    test: str

    @property
    def coincides(self) -> bool:
        """Whether no set holds both groups, so that no difference can be told from one between sets."""
        return self.shared == 0

    @property
    def associated(self) -> bool:
        """Whether the groups come from the sets unevenly: p < 0.05, or too few patients from shared sets."""
        return not self.coincides and (self.p < 0.05 or self.shared < MUST_SHARE)


def set_overlap(cohort: Cohort, a: Group, b: Group) -> SetOverlap:
    """Count the patients of each group in each image set; a patient's is the set of most of its images."""
    sets = cohort.sets
    names = sorted(set(sets[a.rows]) | set(sets[b.rows]))
    counts = pd.DataFrame(
        {group.name: [int((sets[group.rows] == name).sum()) for name in names] for group in (a, b)},
        index=pd.Index([name or "unknown" for name in names], name="set"),
    )
    shared = float(counts[(counts > 0).all(axis=1)].to_numpy().sum() / counts.to_numpy().sum())
    return SetOverlap(counts, shared, *_independence(counts.to_numpy()))


def _independence(counts: NDArray[np.int64]) -> tuple[float, str]:
    from scipy.stats import chi2_contingency, fisher_exact

    if len(counts) == 1:
        return 1.0, "one set"
    if len(counts) == 2:
        return float(fisher_exact(counts).pvalue), "Fisher"
    return float(chi2_contingency(counts).pvalue), "chi-squared"
