"""How one patient differs from the others; the patient is never counted among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.cohort import Cohort
from cytosae_toolkit.figures.barcodes import SMALLEST, column_order, standing_out

MOST_GROUPS = 8
"""Groups shown at most: the patient's own and the largest others."""


@dataclass(frozen=True)
class Profile:
    """A patient and those it is compared with.

    Parameters
    ----------
    cohort : Cohort
        All patients.
    row : int
        The patient.
    groups : object array [n]
        Of each patient, str or None.
    """

    cohort: Cohort
    row: int
    groups: NDArray[np.object_]

    @property
    def group(self) -> str | None:
        """The patient's own group, None where unknown."""
        return None if self.groups[self.row] is None else str(self.groups[self.row])

    @cached_property
    def others(self) -> NDArray[np.int64]:
        """All other patients, rows."""
        return np.delete(np.arange(len(self.cohort)), self.row)

    @cached_property
    def other_groups(self) -> dict[str, NDArray[np.int64]]:
        """The other patients by group, the patient's own group first, then by size; at most `MOST_GROUPS`."""
        names = [str(self.groups[i]) for i in self.others if self.groups[i] is not None]
        sizes = pd.Series(names, dtype=object).value_counts()
        ranked = sorted(sizes.index, key=lambda name: (name != self.group, -sizes[name], name))
        return {
            name: np.array([i for i in self.others if self.groups[i] == name], dtype=np.int64)
            for name in ranked[:MOST_GROUPS]
        }

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """All barcodes, float64 [n, d]."""
        dense: NDArray[np.float64] = self.cohort.barcodes.toarray()
        return dense

    @property
    def counts_patches(self) -> bool:
        """Whether barcodes are patches per cell."""
        return (self.cohort.record.get("aggregator") or {}).get("name") == "count"

    @property
    def unit(self) -> str:
        """Of the values."""
        return "patches per cell" if self.counts_patches else "units of the aggregator"

    def standing_out(self, n: int) -> list[int]:
        """Return the columns of the latents in which the patient differs most from the others, most extreme first.

        See `cytosae_toolkit.figures.barcodes.standing_out`; without other patients, those that it shows most.
        """
        if len(self.others):
            table = standing_out(self.cohort, self.row, n=n)
            return [int(column) for column in table["column"][table["value"] != table["others"]]]
        own = self.matrix[self.row]
        return [int(column) for column in np.argsort(-own, kind="stable")[:n] if own[column] > 0]

    def latent_rows(self, columns: list[int]) -> pd.DataFrame:
        """Return what is said of latents: the patient's value, those of the others, and what the atlas knows.

        Returns
        -------
        pandas.DataFrame
            ``column key latent name dominant_label flags value same others low high score``: `same` is the mean of the
            other patients of the patient's group, `others` that of all others, `low` and `high` their 10th and 90th
            percentile, `score` (value - others) / (their standard deviation + `SMALLEST`).
        """
        chosen = np.array(columns, dtype=np.int64)
        others = self.matrix[np.ix_(self.others, chosen)]
        own = self.matrix[self.row, columns]
        none = np.full(len(columns), np.nan)
        mean, sd = (others.mean(axis=0), others.std(axis=0)) if len(others) else (none, none)
        low, high = np.quantile(others, [0.1, 0.9], axis=0) if len(others) else (none, none)
        same = self.other_groups.get(self.group or "", np.zeros(0, dtype=np.int64))
        known = self.cohort.latents.iloc[columns].reset_index(drop=True)
        return pd.DataFrame(
            {
                "column": columns, **identity(known), "value": own,
                "same": self.matrix[np.ix_(same, chosen)].mean(axis=0) if len(same) else none,
                "others": mean, "low": low, "high": high,
                "score": (own - mean) / (sd + SMALLEST),
            }
        )  # fmt: skip

    def values(self, columns: list[int]) -> pd.DataFrame:
        """Return the values of all patients, a column per latent: what the dots of the report are."""
        table = pd.DataFrame({"patient": self.cohort.patients, "group": self.groups})
        keys = self.cohort.latents["key"].iloc[columns]
        return pd.concat([table, pd.DataFrame(self.matrix[:, columns], columns=keys.to_numpy())], axis=1)

    def likeness(self) -> pd.DataFrame:
        """Return how alike the patient's barcode is to the mean of each group: ``group n_patients r`` (Pearson)."""
        own = self.matrix[self.row]
        lines: list[Mapping[str, Any]] = [
            {"group": name, "n_patients": len(rows), "r": pearson(own, self.matrix[rows].mean(axis=0))}
            for name, rows in self.other_groups.items()
        ]
        return pd.DataFrame(lines, columns=["group", "n_patients", "r"])

    def strips(self) -> pd.DataFrame:
        """Return the barcodes that are drawn: ``key label``, the patient, each group, and the mean of all others."""
        order = column_order(self.cohort)
        table: dict[str, Any] = {
            "key": self.cohort.latents["key"].to_numpy()[order.columns],
            "label": order.labels,
            "others": self.matrix[self.others].mean(axis=0)[order.columns] if len(self.others) else np.nan,
            "this patient": self.matrix[self.row, order.columns],
        }
        means = {
            f"{name} ({len(rows)})": self.matrix[rows].mean(axis=0)[order.columns]
            for name, rows in self.other_groups.items()
        }
        return pd.DataFrame(table | means)


def identity(known: pd.DataFrame) -> dict[str, Any]:
    """Return how latents are called and what speaks against them, from the latents of a cohort or of an atlas."""
    from cytosae_toolkit.atlas.describing import flags_of

    def texts(name: str) -> list[str]:
        return ["" if pd.isna(v) else str(v) for v in known[name]] if name in known else [""] * len(known)

    return {
        "key": texts("key"), "latent": texts("latent"), "name": texts("name"),
        "dominant_label": texts("dominant_label"),
        "flags": [" ".join(flags_of(row)) for row in _lines(known)],
    }  # fmt: skip


def pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return Pearson's correlation, NaN where one does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")


def _lines(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
