"""Barcodes of patients and diseases, and how alike patients are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.sensitivity import patient_correlations
from cytosae_toolkit.figures.style import BLUE, COLORS, RED, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cytosae_toolkit.cohort.cohort import Cohort

STRIP_COLUMNS = 1200
"""Columns that a strip can show; where there are more latents, neighbours share one, and the strongest is drawn."""
LATENTS_SHOWN = 15
LONGEST = 34
NO_LABEL = "no label"
SMALLEST = 0.1
"""Patches per cell added to both sides of a ratio, or to a spread: what hardly occurs does not look dramatic."""
LARGEST_RATIO = 2.0
"""log2 of the ratio at which colours end."""


@dataclass(frozen=True)
class Order:
    """Latents that any patient shows, side by side: by the label that is most frequent among their references.

    Parameters
    ----------
    columns : int64 array [n]
        Columns of the barcodes.
    labels : list of str
        Label of each.
    """

    columns: NDArray[np.int64]
    labels: list[str]

    def spans(self) -> list[tuple[str, float, float]]:
        """Return each label with where it begins and ends, as shares of the width."""
        names = pd.Series(self.labels)
        edges = [0, *np.flatnonzero(names[1:].to_numpy() != names[:-1].to_numpy()) + 1, len(names)]
        return [(self.labels[a], a / len(names), b / len(names)) for a, b in pairwise(edges)]


def column_order(cohort: Cohort) -> Order:
    """Return the order in which all strips of a cohort show its latents: all of them where nobody shows any."""
    table, total = cohort.latents, np.asarray(cohort.barcodes.sum(axis=0)).ravel()
    labels = table.get("dominant_label", pd.Series([""] * len(table))).astype(str).to_numpy(dtype=object)
    shown = np.flatnonzero(total > 0) if total.any() else np.arange(len(total))
    ranked = sorted(shown.tolist(), key=lambda column: (labels[column] == "", labels[column], -total[column]))
    return Order(np.array(ranked, dtype=np.int64), [labels[column] or NO_LABEL for column in ranked])


def latent_title(cohort: Cohort, column: int) -> str:
    """Return how a column of the barcodes is called: its name, or its number and its label."""
    row = cohort.latents.iloc[column]
    if cohort.by_name:
        return str(row["key"])
    number = f"latent {row['latent']}"
    what = str(row.get("name") or "") or str(row.get("dominant_label") or "").replace("_", " ")
    return f"{what} ({number})" if what else number


def disease_barcodes(cohort: Cohort) -> Figure:
    """Draw the barcode of each disease as a strip, one column per latent, ordered by label."""
    order, diseases = column_order(cohort), disease_table(cohort)
    names = [
        f"{name}\n{int(n)} patients" for name, n in _sizes(cohort, [str(name) for name in diseases.columns]).items()
    ]
    rows = diseases.to_numpy().T[:, order.columns]
    with figure_style():
        figure = new_figure(9.0, 2.2 + 1.0 * len(names))
        upper, lower = figure.subplots(2, 1)
        _strips(upper, rows, names, order)
        upper.set_title("Barcodes of the diseases: what the cells of their patients show")
        _relative_strips(lower, rows, _mean_barcode(cohort, order), names, order)
    return figure


def patient_barcode(cohort: Cohort, patient: str) -> Figure:
    """Draw the barcode of a patient above those of the diseases, and the latents in which it stands out most."""
    row, order, diseases = cohort.row_of(patient), column_order(cohort), disease_table(cohort)
    own = cohort.barcodes[[row]].toarray()[0]
    rows = np.stack([own, *diseases.to_numpy().T])[:, order.columns]
    names = [f"patient {patient}\n{cohort.n_cells[row]} cells", *map(str, diseases.columns)]
    with figure_style():
        figure = new_figure(9.0, 6.6 + 0.45 * len(names))
        heights = [0.9, 1.0 + 0.45 * len(names), 4.1]
        upper, middle, lower = figure.subplots(3, 1, height_ratios=heights)
        _strips(upper, rows[:1], names[:1], order, labelled=False)
        disease = cohort.column("disease")[row]
        upper.set_title(f"Barcode of patient {patient}" + (f" ({disease})" if disease else ""))
        _relative_strips(middle, rows, _mean_barcode(cohort, order), names, order)
        _outstanding(lower, cohort, row)
    return figure


def disease_table(cohort: Cohort) -> pd.DataFrame:
    """Return a_d of each disease, [d, n_diseases]; the mean of all patients where no disease is known."""
    if "diseases" in cohort.adata.varm:
        table: pd.DataFrame = cohort.adata.varm["diseases"]
        return table
    return pd.DataFrame({"all patients": np.asarray(cohort.barcodes.mean(axis=0)).ravel()})


def _sizes(cohort: Cohort, names: list[str]) -> dict[str, int]:
    diseases = cohort.column("disease")
    return {name: int((diseases == name).sum()) or len(cohort) for name in names}


def standing_out(cohort: Cohort, patient: int, n: int = LATENTS_SHOWN) -> pd.DataFrame:
    """Return the latents in which a patient differs most from the others.

    Parameters
    ----------
    cohort : Cohort
        Barcodes.
    patient : int
        Row.
    n : int
        How many.

    Returns
    -------
    pandas.DataFrame
        `column`, `title`, `value` (the patient's), `others` (mean of the other patients), `low`, `high` (their 10th
        and 90th percentile), `score` ((value - others) / (standard deviation of the others + `SMALLEST`); the sort
        key, most extreme first; what hardly occurs in anybody does not rank high).
    """
    matrix = cohort.barcodes.toarray()
    own, others = matrix[patient], np.delete(matrix, patient, axis=0)
    if not len(others):
        others = matrix
    mean, sd = others.mean(axis=0), others.std(axis=0)
    score = (own - mean) / (sd + SMALLEST)
    chosen = np.argsort(-np.abs(score), kind="stable")[:n]
    low, high = np.quantile(others[:, chosen], [0.1, 0.9], axis=0)
    return pd.DataFrame(
        {
            "column": chosen, "title": [latent_title(cohort, int(column)) for column in chosen], "value": own[chosen],
            "others": mean[chosen], "low": low, "high": high, "score": score[chosen],
        }
    )  # fmt: skip


def patient_correlation(cohort: Cohort) -> Figure:
    """Draw how alike the barcodes of all patients are (Pearson's r), patients ordered by disease."""
    diseases = np.array([name or "unknown" for name in cohort.column("disease")], dtype=object)
    order = np.argsort(diseases.astype(str), kind="stable")
    matrix = patient_correlations(cohort.barcodes.toarray()[order])
    off = matrix[~np.eye(len(matrix), dtype=bool)]
    with figure_style():
        figure = new_figure(6.6, 5.6)
        axes = figure.add_subplot()
        low = float(np.quantile(off, 0.02)) if len(off) else 0.0
        picture = axes.imshow(matrix, vmin=low, vmax=1, cmap="viridis", interpolation="nearest")
        _mark_groups(axes, diseases[order])
        bar = figure.colorbar(picture, ax=axes, shrink=0.8, extend="min")
        bar.set_label("Pearson's r of barcodes")
        axes.set_title("How alike the patients are")
    return figure


def correlation_numbers(cohort: Cohort) -> pd.DataFrame:
    """Return what `patient_correlation` draws: a row per patient."""
    table = pd.DataFrame(patient_correlations(cohort.barcodes.toarray()), columns=cohort.patients)
    table.insert(0, "disease", cohort.column("disease"))
    table.insert(0, "patient", cohort.patients)
    return table


def barcode_numbers(cohort: Cohort, patient: str | None = None) -> pd.DataFrame:
    """Return what the barcode figures draw: a row per latent, in the order of the figure."""
    order, diseases = column_order(cohort), disease_table(cohort)
    columns: dict[str, Any] = {"key": cohort.latents["key"].to_numpy()[order.columns], "label": order.labels}
    if patient is not None:
        columns[patient] = cohort.barcodes[[cohort.row_of(patient)]].toarray()[0][order.columns]
    return pd.DataFrame(columns | {name: diseases[name].to_numpy()[order.columns] for name in diseases})


def _mean_barcode(cohort: Cohort, order: Order) -> NDArray[np.float64]:
    return np.asarray(cohort.barcodes.mean(axis=0), dtype=np.float64).ravel()[order.columns]


def _strips(axes: Axes, rows: NDArray[np.float64], names: list[str], order: Order, *, labelled: bool = True) -> None:
    """Draw barcodes as they are, the root of the counts as darkness."""
    _draw_strips(axes, np.sqrt(_binned(rows)), names, order, labelled, cmap="magma_r", vmin=0)
    bar = axes.figure.colorbar(axes.images[0], ax=axes, pad=0.01, fraction=0.03)
    ticks = _round_ticks(float(rows.max()))
    bar.set_ticks(np.sqrt(ticks).tolist(), labels=[f"{tick:g}" for tick in ticks])
    bar.set_label("patches per cell")


def _relative_strips(
    axes: Axes, rows: NDArray[np.float64], mean: NDArray[np.float64], names: list[str], order: Order
) -> None:
    """Draw barcodes divided by the mean of all patients, as doublings and halvings."""
    ratio = np.log2((rows + SMALLEST) / (mean + SMALLEST))
    at_edges = _binned(np.abs(ratio)) == _binned(np.maximum(ratio, 0))
    shown = np.where(at_edges, _binned(ratio), -_binned(-ratio))
    _draw_strips(axes, shown, names, order, True, cmap="RdBu_r", vmin=-LARGEST_RATIO, vmax=LARGEST_RATIO)
    axes.set_title("The same relative to the mean of all patients")
    bar = axes.figure.colorbar(axes.images[0], ax=axes, pad=0.01, fraction=0.03, extend="both")
    bar.set_ticks([-2, -1, 0, 1, 2], labels=["¼", "½", "1", "2x", "4x"])


def _draw_strips(
    axes: Axes, shown: NDArray[np.float64], names: list[str], order: Order, labelled: bool, **style: Any
) -> None:
    rows = shown
    axes.imshow(rows, aspect="auto", interpolation="nearest", extent=(0, 1, len(rows), 0), **style)
    axes.set_yticks(np.arange(len(rows)) + 0.5, names)
    axes.hlines(np.arange(1, len(rows)), 0, 1, color="white", linewidth=3)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks([])
    if labelled:
        _label_spans(axes, order, len(rows))


def _binned(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    if rows.shape[1] <= STRIP_COLUMNS:
        return rows
    edges = np.linspace(0, rows.shape[1], STRIP_COLUMNS + 1).astype(int)[:-1]
    strongest: NDArray[np.float64] = np.maximum.reduceat(rows, edges, axis=1)
    return strongest


def _round_ticks(largest: float) -> list[float]:
    steps = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]
    found = [step for step in steps if 0.01 * largest <= step <= largest]
    return [0.0, *found] if found else [0.0, largest or 1.0]


def _label_spans(axes: Axes, order: Order, height: int) -> None:
    """Write the labels below the strips; labels of few latents stay without words."""
    for i, (label, a, b) in enumerate(order.spans()):
        axes.plot(
            [a + 0.001, b - 0.001], [height + 0.08] * 2, color=COLORS[i % len(COLORS)], linewidth=3, clip_on=False,
            solid_capstyle="butt",
        )  # fmt: skip
        if b - a > 0.035:
            axes.text(
                (a + b) / 2, height + 0.16, label.replace("_", " "), rotation=30, ha="right", va="top", fontsize=8,
                rotation_mode="anchor",
            )  # fmt: skip
    axes.set_ylim(height, 0)


def _outstanding(axes: Axes, cohort: Cohort, patient: int) -> None:
    table = standing_out(cohort, patient)[::-1]
    y = np.arange(len(table))
    axes.hlines(y, table["low"], table["high"], color="0.75", linewidth=6, label="80 % of the other patients")
    axes.scatter(table["others"], y, color="0.35", s=18, label="their mean", zorder=3)
    colors = [RED if score > 0 else BLUE for score in table["score"]]
    axes.scatter(table["value"], y, color=colors, s=36, marker="D", label="this patient", zorder=4)
    axes.set_yticks(y, [fill(title, LONGEST, max_lines=3, placeholder=" …") for title in table["title"]])
    axes.set_xlabel("patches per cell")
    axes.set_title("Where this patient differs most from the others (orange: more, blue: less)")
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.12), ncols=3)


def _mark_groups(axes: Axes, diseases: NDArray[np.object_]) -> None:
    names, starts = np.unique(diseases.astype(str), return_index=True)
    edges = np.append(starts, len(diseases))
    for edge in edges[1:-1]:
        axes.axhline(edge - 0.5, color="white", linewidth=1.5)
        axes.axvline(edge - 0.5, color="white", linewidth=1.5)
    middle = (edges[:-1] + edges[1:]) / 2 - 0.5
    axes.set_yticks(middle, [name.replace("_", " ") for name in names])
    axes.set_xticks(middle, [name.replace("_", " ") for name in names], rotation=30, ha="right")
    axes.tick_params(length=0)
