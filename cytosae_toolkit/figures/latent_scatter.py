"""All latents of atlases: frequency against mean activation, coloured by label entropy (figure 2A of the paper)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.thresholds import THRESHOLDS, count_above
from cytosae_toolkit.figures.labels import label_points
from cytosae_toolkit.figures.style import figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure, SubFigure

COLORS_OF_ENTROPY = "viridis"
"""Sequential, legible with colour blindness and in print, and nowhere grey: grey is undefined."""

UNDEFINED = "0.65"
MOST_NAMES = 12
"""Names written in a panel; those of the most active latents first."""

_NUMBERS = ("mean_activation", "frequency", "label_entropy", "published_entropy", "name")


@dataclass(frozen=True)
class Panel:
    """One atlas as it is drawn.

    Parameters
    ----------
    title : str
        Name of the atlas.
    latents : pandas.DataFrame
        Those that fired; index is the latent.
    entropy : float64 array
        Label entropy of each, NaN where undefined.
    n_latents : int
        All, fired or not.
    entropy_name : str
        What the entropy is: computed here, or only published.
    """

    title: str
    latents: pd.DataFrame
    entropy: NDArray[np.float64]
    n_latents: int
    entropy_name: str


def latent_scatter(atlases: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """Draw the latents of one or several atlases, with marginal histograms and counts over thresholds.

    Parameters
    ----------
    atlases : sequence of (str, pandas.DataFrame)
        Title and latents of each; columns `mean_activation`, `frequency`, and where known `label_entropy` (else
        `published_entropy`) and `name`. The index is the latent.

    Returns
    -------
    matplotlib.figure.Figure
        Panels side by side on shared axes; points are pixels also in PDF and SVG.

    Notes
    -----
    Latents that never fired have no place on logarithmic axes: the table counts them.
    """
    panels = [_panel(title, latents) for title, latents in atlases]
    with figure_style():
        figure = new_figure(1.0 + 4.0 * max(len(panels), 1.3), 4.7 + 0.2 * len(panels))
        parts: Any = figure.subfigures(2, 1, height_ratios=[4.3, 0.4 + 0.2 * len(panels)], hspace=0.02)
        above, below = parts
        scatters = _draw_panels(above, panels, THRESHOLDS)
        _draw_table(below.subplots(), panels, THRESHOLDS, figure.get_figwidth())
        for axis, panel in zip(scatters, panels, strict=True):
            _label_names(axis, panel)
    return figure


def scatter_numbers(atlases: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return what `latent_scatter` shows as one table: atlas, latent and its numbers, latents that never fired too."""
    tables = []
    for title, latents in atlases:
        table = latents[[name for name in _NUMBERS if name in latents]].copy()
        table.insert(0, "latent", np.asarray(latents.index).astype(np.int64))
        table.insert(0, "atlas", title)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _panel(title: str, latents: pd.DataFrame) -> Panel:
    fired = latents[(latents["mean_activation"] > 0) & (latents["frequency"] > 0)]
    known = next((name for name in ("label_entropy", "published_entropy") if name in fired), None)
    entropy = np.full(len(fired), np.nan) if known is None else fired[known].to_numpy(dtype=np.float64)
    name = "published label entropy" if known == "published_entropy" else "label entropy"
    return Panel(title, fired, entropy, len(latents), name)


def _draw_panels(figure: SubFigure, panels: Sequence[Panel], thresholds: Sequence[float]) -> list[Axes]:
    """Draw for each atlas a histogram, below it the scatter, and on its right the other histogram.

    Returns
    -------
    list of matplotlib.axes.Axes
        The scatters.
    """
    n = len(panels)
    grid = figure.subplots(
        2, 2 * n, squeeze=False, width_ratios=[1.0, 0.2] * n, height_ratios=[0.22, 1.0], gridspec_kw={"wspace": 0.02}
    )
    x_bins, y_bins = (
        _bins([panel.latents["mean_activation"] for panel in panels], 60),
        _bins([panel.latents["frequency"] for panel in panels], 60),
    )
    highest = max((np.nanmax(panel.entropy) for panel in panels if np.isfinite(panel.entropy).any()), default=1.0)
    points = None
    for i, panel in enumerate(panels):
        top, corner, main, right = grid[0, 2 * i], grid[0, 2 * i + 1], grid[1, 2 * i], grid[1, 2 * i + 1]
        corner.axis("off")
        points = _draw_scatter(main, panel, float(highest)) or points
        main.set(xlim=(x_bins[0], x_bins[-1]), ylim=(y_bins[0], y_bins[-1]))
        _draw_margins(top, right, panel, x_bins, y_bins)
        _mark_thresholds((main, top), thresholds)
        top.set_title(panel.title, fontweight="bold")
        main.set_xlabel("mean activation")
        if i:
            main.tick_params(labelleft=False)
    grid[1, 0].set_ylabel("frequency (share of images)")
    if points is not None:
        bar = figure.colorbar(points, ax=grid[:, -1].tolist(), shrink=0.7, aspect=26, pad=0.04)
        bar.set_label("label entropy (nats)")
        bar.outline.set_visible(False)
    return list(grid[1, ::2])


def _bins(columns: Sequence[pd.Series[float]], n: int) -> NDArray[np.float64]:
    """Return logarithmic bin edges over all values; the axes take the same limits."""
    logs = np.log10(np.concatenate([column.to_numpy(dtype=np.float64) for column in columns]))
    low, high = (float(logs.min()), float(logs.max())) if len(logs) else (-4.0, 0.0)
    margin = 0.04 * max(high - low, 0.5)
    return np.logspace(low - margin, high + margin, n + 1)


def _draw_scatter(axis: Axes, panel: Panel, highest: float) -> PathCollection | None:
    """Draw the points; return those with a colour scale, or None where no entropy is defined."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.grid(color="0.92", linewidth=0.6)
    axis.set_axisbelow(True)
    x, y = panel.latents["mean_activation"].to_numpy(), panel.latents["frequency"].to_numpy()
    size = float(np.clip(60_000 / max(len(x), 1), 2.0, 9.0))
    known = np.isfinite(panel.entropy)
    style: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": True}
    axis.scatter(x[~known], y[~known], color=UNDEFINED, zorder=2, **style)
    if not known.any():
        return None
    order = np.random.default_rng(0).permutation(np.flatnonzero(known))  # none hides another by its colour
    return axis.scatter(
        x[order], y[order], c=panel.entropy[order], cmap=COLORS_OF_ENTROPY, vmin=0, vmax=highest, zorder=3, **style
    )


def _draw_margins(
    top: Axes, right: Axes, panel: Panel, x_bins: NDArray[np.float64], y_bins: NDArray[np.float64]
) -> None:
    """Draw both histograms; counts are logarithmic, because few latents of many are far from the bulk."""
    from matplotlib.ticker import NullFormatter

    top.set(xlim=(x_bins[0], x_bins[-1]), xscale="log")
    right.set(ylim=(y_bins[0], y_bins[-1]), yscale="log")
    style: dict[str, Any] = {"color": "0.55", "linewidth": 0}
    if len(panel.latents):
        top.hist(panel.latents["mean_activation"], bins=x_bins.tolist(), log=True, **style)
        right.hist(panel.latents["frequency"], bins=y_bins.tolist(), log=True, orientation="horizontal", **style)
    top.tick_params(labelbottom=False, labelsize=7)
    right.tick_params(labelleft=False, labelsize=7)
    for axis in (top.yaxis, right.xaxis):
        axis.set_minor_formatter(NullFormatter())
    most = 2.0 * max(len(panel.latents), 5)
    top.set_ylim(0.7, most)
    right.set_xlim(0.7, most)
    top.set_ylabel("latents", fontsize=7)
    right.set_xlabel("latents", fontsize=7)


def _mark_thresholds(axes: Sequence[Axes], thresholds: Sequence[float]) -> None:
    for axis in axes:
        for limit in thresholds:
            axis.axvline(10.0**limit, color="0.35", linewidth=0.6, linestyle=(0, (4, 3)), zorder=1.5)


def _label_names(axis: Axes, panel: Panel) -> None:
    """Ring the latents that have a name, and write each name once, at the most active latent that has it."""
    if "name" not in panel.latents:
        return
    named = panel.latents[panel.latents["name"].fillna("") != ""].sort_values("mean_activation", ascending=False)
    x, y = named["mean_activation"].to_numpy(), named["frequency"].to_numpy()
    axis.scatter(x, y, s=26, facecolors="none", edgecolors="black", linewidths=0.9, zorder=5)
    label_points(axis, x, y, _once(named["name"].tolist()))


def _once(names: list[str]) -> list[str]:
    """Return each name where it comes first, with how often it comes, and "" elsewhere; `MOST_NAMES` of them."""
    counts = Counter(names)
    chosen = {name: f"{name} ({n})" if n > 1 else name for name, n in islice(counts.items(), MOST_NAMES)}
    return [chosen.pop(name, "") for name in names]


def _draw_table(axis: Axes, panels: Sequence[Panel], thresholds: Sequence[float], width: float) -> None:
    """Write how many latents there are, fired, and lie above each threshold; `width` of the figure in inches."""
    axis.axis("off")
    header = ["", "latents", "never fired", *(f"mean > $10^{{{limit:g}}}$" for limit in thresholds)]
    rows = [header, *(_table_row(panel, thresholds) for panel in panels)]
    step = min(0.9, (width - 1.85) / (len(header) - 2))
    xs = [0.0, *((1.75 + step * (i - 1)) / width for i in range(1, len(header)))]
    for i, row in enumerate(rows):
        for x, text in zip(xs, row, strict=True):
            axis.text(x, _line(i, rows), text, ha="right" if x else "left", va="center", fontsize=8,
                      color="0.3" if i == 0 else "black", transform=axis.transAxes)  # fmt: skip
    axis.text(0, _line(len(rows), rows), _explanation(panels), fontsize=7, color="0.3", va="center",
              transform=axis.transAxes)  # fmt: skip


def _line(i: int, rows: Sequence[object]) -> float:
    return 1 - (i + 0.5) / (len(rows) + 1)


def _table_row(panel: Panel, thresholds: Sequence[float]) -> list[str]:
    above = count_above(panel.latents["mean_activation"].to_numpy(), thresholds)
    never = panel.n_latents - len(panel.latents)
    title = panel.title if len(panel.title) <= 18 else panel.title[:17] + "…"
    return [title, f"{panel.n_latents:,}", f"{never:,}", *(f"{above[limit]:,}" for limit in thresholds)]


def _explanation(panels: Sequence[Panel]) -> str:
    text = "Each point is a latent. Grey: label entropy undefined."
    published = [panel.title for panel in panels if panel.entropy_name != "label entropy"]
    return text + (f" As published, not recomputed: {', '.join(published)}." if published else "")
