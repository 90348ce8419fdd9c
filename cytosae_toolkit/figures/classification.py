"""Figures of a classification: confusion matrix, barcodes beside baselines, scores over thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.figures.style import BLUE, ORANGE, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cytosae_toolkit.cohort.classification import Classification
    from cytosae_toolkit.cohort.classification_tables import FeatureScores

SCORE = "weighted_f1"
GREY = "0.45"
_LABELS = {
    "barcode": "barcodes",
    "colour": "colour",
    "colour-sd": "colour and its spread",
    "set": "image set alone",
    "cell-classes": "differential count",
    "mean-patch": "mean embedding",
    "cls": "CLS embedding",
    "commonest class": "commonest class",
}


def confusion_figure(result: Classification) -> Figure:
    """Draw the confusion matrix: patients (mean over the repeats), coloured by the share of their true class.

    Parameters
    ----------
    result : Classification
        What to draw.
    """
    counts = result.confusion.to_numpy(dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    n = len(counts)
    with figure_style():
        figure = new_figure(2.9 + 0.78 * n, 2.1 + 0.62 * n)
        axes = figure.subplots()
        picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for i, j in np.ndindex(n, n):
            if counts[i, j]:
                _write_cell(axes, i, j, float(counts[i, j]), float(shares[i, j]))
        names = list(result.classes)
        turned = max(map(len, names)) > 9
        axes.set_xticks(range(n), names, rotation=35 if turned else 0, ha="right" if turned else "center")
        axes.set_yticks(range(n), [f"{name}\n{size} patients" for name, size in result.classes.items()])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        _part_cells(axes, n)
        axes.set_xlabel(f"predicted {result.options.target}")
        axes.set_ylabel(f"true {result.options.target}")
        bar = figure.colorbar(picture, ax=axes, shrink=0.8, aspect=22, pad=0.02)
        bar.set_label("share of the true class")
        bar.outline.set_visible(False)
        _title(figure, f"{result.n_patients} patients, out-of-fold predictions", _folds(result))
    return figure


def _write_cell(axes: Axes, i: int, j: int, count: float, share: float) -> None:
    color = "white" if share > 0.55 else "black"
    number = f"{count:.0f}" if abs(count - round(count)) < 0.05 else f"{count:.1f}"
    axes.text(j, i - 0.08, number, ha="center", va="center", color=color, fontsize=10)
    axes.text(j, i + 0.25, f"{share:.0%}", ha="center", va="center", color=color, fontsize=7)


def _part_cells(axes: Axes, n: int) -> None:
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)


def _title(figure: Figure, title: str, subtitle: str) -> None:
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=10, fontweight="bold")
    figure.text(0.01, 0.985 - 0.23 / figure.get_figheight(), subtitle, ha="left", va="top", fontsize=7.5, color="0.3")


def _folds(result: Classification) -> str:
    repeats = result.options.repeats
    each = f", mean of {repeats} repeats" if repeats > 1 else ""
    return f"{result.options.folds}-fold cross-validation of whole patients{each}"


def features_figure(result: Classification) -> Figure:
    """Draw the weighted F1 of barcodes and baselines with intervals, and what barcodes have over each baseline.

    Parameters
    ----------
    result : Classification
        What to draw.
    """
    rows = list(result.features)
    with figure_style():
        figure = new_figure(8.2, 1.9 + 0.36 * len(rows))
        parts: Any = figure.subplots(1, 2, sharey=True, width_ratios=[1.15, 1.0])
        left, right = parts
        for y, one in enumerate(rows):
            _draw_score(left, y, one)
            _draw_difference(right, y, one)
        left.set_yticks(range(len(rows)), [_LABELS.get(one.name, one.name) for one in rows])
        left.set_ylim(len(rows) - 0.4, -0.7)
        chance = result.barcode.scores[SCORE].chance
        if chance is not None:
            _mark(left, chance, f"shuffled labels {chance:.2f}", len(rows))
        left.set(xlim=(0, 1.02), xlabel="weighted F1, 95 % interval over patients")
        _mark(right, 0.0, "", len(rows))
        right.set(xlabel="barcodes minus this, 95 % interval\n(open circle: it includes 0)")
        right.tick_params(axis="y", length=0)
        right.spines["left"].set_visible(False)
        for axes in (left, right):
            axes.grid(axis="x", color="0.92", linewidth=0.7)
            axes.set_axisbelow(True)
        p = result.barcode.scores[SCORE].p
        tail = "" if p is None else f"; barcodes against {result.options.permutations} permutations: p = {p:.2g}"
        title = f"What barcodes add to simpler features: {result.options.target}, {result.n_patients} patients"
        _title(figure, title, _folds(result) + tail)
    return figure


def _draw_score(axes: Axes, y: int, one: FeatureScores) -> None:
    score, color = one.scores[SCORE], BLUE if one.name == "barcode" else GREY
    axes.plot([score.low, score.high], [y, y], color=color, linewidth=2, solid_capstyle="butt")
    axes.plot(score.pooled, y, "o", color=color, markersize=6)
    axes.annotate(f"{score.pooled:.2f}", (score.pooled, y), xytext=(0, 5), textcoords="offset points", ha="center",
                  fontsize=7.5, color=color)  # fmt: skip


def _draw_difference(axes: Axes, y: int, one: FeatureScores) -> None:
    if SCORE not in one.difference:
        return
    found = one.difference[SCORE]
    clear = found.low > 0 or found.high < 0
    axes.plot([found.low, found.high], [y, y], color=GREY, linewidth=2, solid_capstyle="butt")
    axes.plot(found.value, y, "o", color=GREY, markersize=6, markerfacecolor=GREY if clear else "white")
    box = {"facecolor": "white", "pad": 0.8, "linewidth": 0}
    axes.annotate(f"{found.value:+.2f}", (found.value, y), xytext=(0, 6), textcoords="offset points", ha="center",
                  fontsize=7.5, color=GREY, bbox=box)  # fmt: skip


def _mark(axes: Axes, x: float, text: str, n: int) -> None:
    axes.axvline(x, color="black", linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    if text:
        axes.text(x + 0.01, n - 0.45, text, fontsize=7, ha="left", va="bottom", color="0.3")


def sweep_figure(result: Classification) -> Figure:
    """Draw weighted F1 of the pooled predictions and the number of latents over thresholds of the mean activation.

    Parameters
    ----------
    result : Classification
        With a sweep.

    Raises
    ------
    TypeError
        If it has none.
    """
    if result.sweep is None:
        raise TypeError("no sweep")
    points = result.sweep.points
    x = np.array([point.min_log10_mean for point in points])
    pooled = np.array([point.pooled[SCORE] for point in points])
    with figure_style():
        figure = new_figure(6.2, 5.4)
        parts: Any = figure.subplots(2, 1, sharex=True, height_ratios=[1.7, 1.0])
        above, below = parts
        above.plot(x, pooled, "o-", color=BLUE, markersize=4.5, label="this threshold for all folds")
        _draw_nested(above, result)
        chance = result.barcode.scores[SCORE].chance
        if chance is not None:
            above.axhline(chance, color="black", linewidth=0.9, linestyle=(0, (4, 3)), label="shuffled labels")
        above.set(ylim=(0, 1.02), ylabel="weighted F1, pooled")
        figure.legend(*above.get_legend_handles_labels(), loc="outside lower left", fontsize=7.5)
        _draw_counts(below, x, np.array([point.n_latents for point in points]))
        title = f"Score over thresholds of the mean activation: {result.options.target}, {result.n_patients} patients"
        _title(figure, title, f"{_folds(result)}; the maximum of the curve is optimistic")
    return figure


def _draw_nested(axes: Axes, result: Classification) -> None:
    nested = None if result.sweep is None else result.sweep.nested
    if nested is None:
        return
    score = nested.scores[SCORE]
    axes.axhspan(score.low, score.high, color=ORANGE, alpha=0.12, linewidth=0)
    axes.axhline(score.pooled, color=ORANGE, linewidth=1.6,
                 label=f"threshold chosen within training folds: {score.pooled:.2f} (95 % {score.low:.2f} to "
                       f"{score.high:.2f})")  # fmt: skip


def _draw_counts(axes: Axes, x: np.ndarray[Any, Any], n_latents: np.ndarray[Any, Any]) -> None:
    axes.plot(x, n_latents, "o-", color=GREY, markersize=4.5)
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, max(float(n_latents.max()), 1) * 3)
    for place, n in zip(x, n_latents, strict=True):
        axes.annotate(f"{n:,.0f}", (place, n), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=7)
    axes.set(ylabel="latents kept", xlabel="log10 of mean activation to exceed")
    shown = x[:: -(-len(x) // 13)]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.minorticks_off()
