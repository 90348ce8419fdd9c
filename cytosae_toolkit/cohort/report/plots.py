"""Small plots of a report: the values of patients in groups as SVG, and barcodes as strips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.figures.style import BLUE, COLORS, RED, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, ROW, LEFT, LONGEST = 560, 17, 190, 30
STRIP_COLUMNS = 1200
SMALLEST, LARGEST = 0.1, 2.0
"""Patches per cell added to both sides of a ratio; log2 of the ratio at which colours end."""


@dataclass(frozen=True)
class PlotRow:
    """Values of some patients on one line.

    Parameters
    ----------
    name : str
        On the left.
    values : float64 array [n]
        One dot each; their mean is a bar.
    marked : bool
        Whether it is the one that the report is about.
    """

    name: str
    values: NDArray[np.float64]
    marked: bool = False


def dot_plot(rows: Sequence[PlotRow], unit: str) -> str:
    """Return an SVG with one line of dots per group.

    Parameters
    ----------
    rows : sequence of PlotRow
        From above.
    unit : str
        Of the values, below the axis.
    """
    top = max((float(row.values.max()) for row in rows if len(row.values)), default=0.0) or 1.0
    ticks = _ticks(top)
    scale, height = (WIDTH - LEFT - 20) / max(top, ticks[-1]), ROW * len(rows) + 34
    lines = [_line(row, 10 + ROW * i, scale) for i, row in enumerate(rows)]
    axis, foot = [], 8 + ROW * len(rows)
    for tick in ticks:
        x = LEFT + tick * scale
        axis.append(f'<path d="M{x:.1f} 2V{foot}" stroke="#e4e4e4"/>')
        axis.append(f'<text x="{x:.1f}" y="{foot + 11}" text-anchor="middle" fill="#555">{tick:g}</text>')
    axis.append(f'<text x="{LEFT}" y="{foot + 24}" fill="#555">{escape(unit)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="11">{"".join(axis)}{"".join(lines)}</svg>'
    )


def _line(row: PlotRow, y: float, scale: float) -> str:
    name = row.name if len(row.name) <= LONGEST else row.name[: LONGEST - 1] + "…"
    weight = ' font-weight="600"' if row.marked else ""
    parts = [f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end"{weight}>{escape(name)}</text>']
    for value in row.values:
        x = LEFT + float(value) * scale
        if row.marked:
            parts.append(f'<path d="M{x:.1f} {y - 6}l6 6l-6 6l-6 -6z" fill="{RED}"/>')
        else:
            parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="3.2" fill="{BLUE}" fill-opacity=".45"/>')
    if len(row.values) and not row.marked:
        x = LEFT + float(row.values.mean()) * scale
        parts.append(f'<path d="M{x:.1f} {y - 7}v14" stroke="#1d1d1f" stroke-width="2"/>')
    return "".join(parts)


def _ticks(top: float) -> list[float]:
    rough = top / 6
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    return [float(step * i) for i in range(int(np.floor(top / step + 1e-9)) + 1)]


def strip_figure(table: pd.DataFrame, names: Sequence[str], unit: str) -> Figure:
    """Draw barcodes above each other: the first as it is, then all relative to the mean of the other patients.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per latent in the order drawn: `label`, `others` (mean of the other patients), and a column per barcode.
    names : sequence of str
        Columns, from above.
    unit : str
        Of the values.
    """
    rows = np.stack([table[name].to_numpy(dtype=np.float64) for name in names])
    others, labels = table["others"].to_numpy(dtype=np.float64), table["label"].tolist()
    with figure_style():
        figure = new_figure(9.4, 2.0 + 0.36 * (len(names) + 2))
        upper, lower = figure.subplots(2, 1, height_ratios=[1.4, len(names) + 0.6])
        _absolute(upper, rows[:1], names[:1], unit)
        _relative(lower, rows, others, names)
        _label_spans(lower, labels, len(names))
    return figure


def _absolute(axes: Any, rows: NDArray[np.float64], names: Sequence[str], unit: str) -> None:
    shown = np.sqrt(_binned(rows))
    picture = _draw(axes, shown, names, cmap="Greys", vmin=0, vmax=float(shown.max()) or 1.0)
    axes.set_title(f"Barcode: one stripe per latent, the darker the more {unit}")
    largest = float(rows.max()) or 1.0
    ticks = [0.0, largest / 4, largest]
    bar = axes.figure.colorbar(picture, ax=axes, pad=0.01, fraction=0.03)
    bar.set_ticks(np.sqrt(ticks).tolist(), labels=[f"{tick:.3g}" for tick in ticks])


def _relative(axes: Any, rows: NDArray[np.float64], others: NDArray[np.float64], names: Sequence[str]) -> None:
    ratio = np.clip(np.log2((rows + SMALLEST) / (others + SMALLEST)), -LARGEST, LARGEST)
    high, low = _binned(ratio), -_binned(-ratio)
    picture = _draw(axes, np.where(high >= -low, high, low), names, cmap="RdBu_r", vmin=-LARGEST, vmax=LARGEST)
    axes.set_title("Relative to the mean of the other patients: red more, blue less")
    bar = axes.figure.colorbar(picture, ax=axes, pad=0.01, fraction=0.03, extend="both")
    bar.set_ticks([-2, -1, 0, 1, 2], labels=["¼", "½", "same", "2x", "4x"])


def _draw(axes: Any, shown: NDArray[np.float64], names: Sequence[str], **style: Any) -> Any:
    picture = axes.imshow(shown, aspect="auto", interpolation="nearest", extent=(0, 1, len(shown), 0), **style)
    axes.set_yticks(np.arange(len(shown)) + 0.5, [_wrapped(name) for name in names])
    axes.hlines(np.arange(1, len(shown)), 0, 1, color="white", linewidth=3)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return picture


def _wrapped(text: str) -> str:
    return fill(text, LONGEST, max_lines=2, placeholder=" …").replace("$", r"\$")


def _binned(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest of neighbouring columns where there are more than a figure can show."""
    if rows.shape[1] <= STRIP_COLUMNS:
        return rows
    edges = np.linspace(0, rows.shape[1], STRIP_COLUMNS + 1).astype(int)[:-1]
    largest: NDArray[np.float64] = np.maximum.reduceat(rows, edges, axis=1)
    return largest


def _label_spans(axes: Any, labels: list[str], height: int) -> None:
    """Write the labels below the strips; those of few latents stay without words."""
    edges = [0, *[i for i in range(1, len(labels)) if labels[i] != labels[i - 1]], len(labels)]
    for i, (a, b) in enumerate(pairwise(edges)):
        x0, x1 = a / max(len(labels), 1), b / max(len(labels), 1)
        axes.plot([x0 + 0.001, x1 - 0.001], [height + 0.1] * 2, color=COLORS[i % len(COLORS)], linewidth=3,
                  clip_on=False, solid_capstyle="butt")  # fmt: skip
        if x1 - x0 > 0.035:
            text = _wrapped(labels[a].replace("_", " "))
            axes.text((x0 + x1) / 2, height + 0.25, text, rotation=25, ha="right", va="top", fontsize=8,
                      rotation_mode="anchor")  # fmt: skip
    axes.set_ylim(height, 0)
