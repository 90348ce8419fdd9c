"""A comparison of two groups: its numbers, its caveats, and what they say as plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.cohort.groups import SMALL_GROUP, Group, SetOverlap
from cytosae_toolkit.errors import CytosaeError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.cohort.cohort import Cohort
    from cytosae_toolkit.cohort.latent_filter import LatentFilter

FORMAT, VERSION = "cytosae-comparison", 1
RANKS = ("effect", "difference")
_SORTED_BY = {"effect": ["rank_biserial", "contrast", "difference"], "difference": ["difference"]}


@dataclass(frozen=True)
class CompareOptions:
    """How groups are compared.

    Parameters
    ----------
    column : str
        Of `obs`, whose values are the groups.
    rank : str
        What orders latents, one of `RANKS`: ``"effect"``, the rank-biserial correlation and among equals the contrast
        (a - b) / (a + b); or ``"difference"`` of the barcodes, as in the paper, which favours what is abundant.
    top : int
        Latents listed each way (paper: 50).
    q : float
        False discovery rate.
    bootstraps : int
        Resamples of patients for the intervals; 0 for none.
    seed : int
        Of the resamples.
    min_mean, min_share : float
        Which latents are tested, see `filter_latents`.
    despite_confounding : bool
        Give p-values although no image set holds patients of both groups.

    Raises
    ------
    CytosaeError
        If a number is out of range.
    """

    column: str = "disease"
    rank: str = RANKS[0]
    top: int = 50
    q: float = 0.05
    bootstraps: int = 1000
    seed: int = 0
    min_mean: float = 0.0
    min_share: float = 0.05
    despite_confounding: bool = False

    def __post_init__(self) -> None:
        if self.rank not in RANKS:
            raise CytosaeError(f"Latents cannot be ranked by {self.rank!r}.", nearest(self.rank, RANKS))
        if self.top < 1 or self.bootstraps < 0 or self.seed < 0:
            raise CytosaeError("top must be 1 or more, bootstraps and seed 0 or more.")
        if not 0 < self.q < 1 or not 0 <= self.min_share <= 1 or math.isnan(self.min_mean):
            raise CytosaeError("q must lie between 0 and 1, min_share from 0 to 1, and min_mean be a number.")


@dataclass(frozen=True)
class TestPower:
    """What the tests can show at all.

    Parameters
    ----------
    smallest_p : float
        That groups of these sizes can reach.
    alone : float
        p that a single latent needs to be a discovery: q / tests.
    together : int
        How many latents must reach the smallest p together to be discoveries; more than the tests if none can be.
    """

    __test__ = False

    smallest_p: float
    alone: float
    together: int

    @classmethod
    def of(cls, smallest: float, n_tests: int, q: float) -> TestPower:
        """Return what `n_tests` tests can show at false discovery rate `q` if p cannot be below `smallest`."""
        return cls(smallest, q / n_tests, max(1, math.ceil(smallest * n_tests / q - 1e-9)))


@dataclass(frozen=True)
class Comparison:
    """Two groups of patients, latent by latent.

    Parameters
    ----------
    cohort : Cohort
        The barcodes.
    a, b : Group
        The groups; differences are a minus b.
    options : CompareOptions
        How.
    sets : SetOverlap
        Of groups and image sets.
    tested : LatentFilter
        Which latents.
    power : TestPower or None
        None where no p-values are computed, group and image set coinciding.
    table : pandas.DataFrame
        One row per tested latent, in the order of `rank`, from higher in a to higher in b: ``latent`` (absent for
        named concepts), ``name``, ``mean_a mean_b median_a median_b difference difference_low difference_high occurs_a
        occurs_b U superiority rank_biserial contrast``, ``p q exact discovery`` (only with p-values), and what the
        atlas knows of it, flags among it.
    provenance : dict
        Where all of it comes from.
    """

    cohort: Cohort
    a: Group
    b: Group
    options: CompareOptions
    sets: SetOverlap
    tested: LatentFilter
    power: TestPower | None
    table: pd.DataFrame
    provenance: dict[str, Any]

    @property
    def has_p(self) -> bool:
        """Whether there are p-values."""
        return self.power is not None

    @property
    def n_discoveries(self) -> int | None:
        """Latents with q at most the false discovery rate; None without p-values."""
        return int(self.table["discovery"].sum()) if self.has_p else None

    def top(self, group: Group, n: int | None = None) -> pd.DataFrame:
        """Return the latents that most set a group above the other, in the order that the options say.

        Parameters
        ----------
        group : Group
            `a` or `b`.
        n : int, optional
            How many at most; by default ``options.top``.

        Returns
        -------
        pandas.DataFrame
            Rows of `table` with ``higher_in`` and ``rank`` (from 1) before them.
        """
        keys = _SORTED_BY[self.options.rank]
        signed = self.table[[*dict.fromkeys([*keys, "difference"])]] * (1 if group is self.a else -1)
        higher = (signed[keys[0]] > 0) & (signed["difference"] > 0)
        best = sort_latents(signed[higher], self.options.rank).index[: n or self.options.top]
        found = self.table.loc[best].reset_index(drop=True)
        found.insert(0, "rank", np.arange(1, len(found) + 1))
        found.insert(0, "higher_in", group.name)
        return found

    @property
    def caveats(self) -> list[str]:
        """What a reader must know first, as sentences."""
        return [*self._small_groups(), *self._sets(), *self._reach()]

    def _small_groups(self) -> list[str]:
        small = [f"{group.name} has {len(group)}" for group in (self.a, self.b) if len(group) < SMALL_GROUP]
        if not small:
            return []
        return [f"Small groups: {' and '.join(small)} patients (fewer than {SMALL_GROUP}); differences are uncertain."]

    def _sets(self) -> list[str]:
        if self.sets.coincides:
            tail = "p-values are given all the same, as asked" if self.has_p else "no p-values are given"
            return [
                "Group and image set coincide: no set holds patients of both groups, so a difference of staining or "
                f"scanner cannot be told from one of disease; {tail}."
            ]
        if self.sets.associated:
            return [
                f"The groups come unevenly from the image sets ({self.sets.test} p = {self.sets.p:.2g}); "
                f"{self.sets.shared:.0%} of the patients come from a set that both share. Differences may be those of "
                "the sets: look at the flags."
            ]
        return []

    def _reach(self) -> list[str]:
        if self.power is None or self.power.together == 1:
            return []
        n = len(self.table)
        reach = f"The smallest p that these group sizes can reach is {self.power.smallest_p:.2g}"
        if self.power.together > n:
            return [f"{reach}: with {n:,} tests nothing can be a discovery at q = {self.options.q:g}."]
        return [
            f"{reach}: a single latent cannot be a discovery among {n:,} tests (it needs {self.power.alone:.2g}), "
            f"only {self.power.together:,} or more together."
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the table as plain values; the top latents by their numbers."""
        tested = {name: value for name, value in asdict(self.tested).items() if name != "columns"}
        groups = {"a": self.a, "b": self.b}
        return {
            "format": FORMAT,
            "version": VERSION,
            **self.provenance,
            "groups": {key: self._described(group) for key, group in groups.items()},
            "options": asdict(self.options),
            "caveats": self.caveats,
            "image_sets": {
                "counts": self.sets.counts.to_dict("index"), "shared": self.sets.shared, "p": self.sets.p,
                "test": self.sets.test, "coincide": self.sets.coincides, "associated": self.sets.associated,
            },
            "latents": {"n_tested": len(self.table), **tested},
            "tests": self._tests(),
            "top": {key: _plain(self.top(group)) for key, group in groups.items()},
        }  # fmt: skip

    def _described(self, group: Group) -> dict[str, Any]:
        return {
            "name": group.name,
            "n_patients": len(group),
            "n_images": int(self.cohort.n_cells[group.rows].sum()),
            "patients": self.cohort.patients[group.rows].tolist(),
        }

    def write(self, out: str | Path, *, force: bool = False) -> list[Path]:
        """Write the folder of the comparison, without reference images; see `write_comparison`."""
        from cytosae_toolkit.cohort.comparison_writing import write_comparison

        return write_comparison(self, out, force=force)

    def _tests(self) -> dict[str, Any] | None:
        if self.power is None:
            return None
        return {
            "test": "Mann-Whitney U, two-sided; Benjamini-Hochberg",
            "n_exact": int(self.table["exact"].sum()),
            "n_normal_approximation": int((~self.table["exact"]).sum()),
            "smallest_p_reachable": self.power.smallest_p,
            "p_needed_alone": self.power.alone,
            "needed_together": self.power.together,
            "n_discoveries": self.n_discoveries,
        }


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    values = table.astype(object)
    values = values.where(values.notna(), None)
    return [dict(row) for _, row in values.iterrows()]


def sort_latents(table: pd.DataFrame, rank: str) -> pd.DataFrame:
    """Return a table with the columns of a ranking, largest first; the order of equals is kept.

    Effects are compared to nine digits, so that rounding does not decide between equals.
    """
    keys = _SORTED_BY[rank]
    order = table[keys].round(9).sort_values(keys, ascending=False, kind="stable").index
    return table.loc[order]
