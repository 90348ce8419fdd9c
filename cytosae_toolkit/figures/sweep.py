"""What a sweep found: metrics of each point, mean ± sd over its seeds, with every seed as a dot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.figures.style import BLUE, ORANGE, figure_style, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "fvu_robust": "FVU, robust",
    "l0": "L0",
    "dead_share_window": "Dead share,\nlast 64 steps",
    "concepts_above_1e-3": "Latents with\nlog10 mean > -3",
    "stability_mean_max_cosine": "Stability:\nmean max cosine",
}
"""Columns and titles; stability is of pairs of seeds and has no dots."""
_SHARES = ("dead_share_window", "stability_mean_max_cosine")
_DECADES = 30.0
"""Ratio of largest to smallest value from which an axis is logarithmic."""


def sweep_figure(runs: pd.DataFrame, points: pd.DataFrame) -> Figure:
    """Draw the tables of a sweep, a row per point in the order of its file.

    Parameters
    ----------
    runs : pandas.DataFrame
        ``runs.csv``: a dot per run.
    points : pandas.DataFrame
        ``sweep.csv``: mean and standard deviation, and `label`.

    Returns
    -------
    matplotlib.figure.Figure
        Five panels that share their rows.
    """
    with figure_style():
        figure = new_figure(13, 1.6 + 0.32 * len(points))
        panels = figure.subplots(1, len(PANELS), sharey=True)
        for axes, (column, title) in zip(panels, PANELS.items(), strict=True):
            _draw(axes, column, runs, points)
            axes.set_title(title)
        first = panels[0]
        first.set_yticks(range(len(points)), [_row_name(row) for _, row in points.iterrows()])
        first.set_ylim(len(points) - 0.5, -0.5)
        figure.supxlabel(
            "blue: mean ± sd over seeds (stability: over pairs of seeds); orange: single seeds", fontsize=8
        )
    return figure


def _row_name(point: Any) -> str:
    missing = int(point["n_runs"] - point["n_finished"])
    return f"{point['label']}  ({missing} of {point['n_runs']} runs missing)" if missing else str(point["label"])


def _draw(axes: Axes, column: str, runs: pd.DataFrame, points: pd.DataFrame) -> None:
    rows = np.arange(len(points))
    mean, sd = (points[name].to_numpy(dtype=float) for name in (column, f"{column}_sd"))
    if column in runs:
        row_of = dict(zip(points["point"], rows, strict=True))
        axes.plot(runs[column].astype(float), [row_of[point] for point in runs["point"]], "o", color=ORANGE, ms=3.5)
    axes.errorbar(mean, rows, xerr=np.nan_to_num(sd), fmt="o", color=BLUE, ms=5, capsize=3, linewidth=1, zorder=1)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    _scale(axes, column, mean[np.isfinite(mean)])


def _scale(axes: Axes, column: str, values: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    if column in _SHARES:
        axes.set_xlim(-0.03, 1.03)
    elif len(values) and values.min() > 0 and values.max() > _DECADES * values.min():
        axes.set_xscale("log")
    else:
        axes.set_xlim(left=0)
