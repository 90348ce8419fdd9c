"""Two groups of patients compared: their barcodes (figure 5 of the paper), the tests, and reference images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.figures.heat import tint
from cytosae_toolkit.figures.labels import label_points
from cytosae_toolkit.figures.style import BLUE, RED, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.comparison import Comparison
    from cytosae_toolkit.cohort.comparison_references import LatentReferences, TopReferences
    from cytosae_toolkit.cohort.groups import Group

GROUP_COLORS = (BLUE, RED)
"""Of the first and the second group, everywhere."""

N_LABELS = 5
"""Latents labelled each way."""

N_LATENTS, N_IMAGES = 6, 5
"""Latents each way and images of each in `reference_figure`."""

_BACKGROUND = "0.72"


def barcode_scatter(comparison: Comparison) -> Figure:
    """Draw the barcode of one group against the other's, the latents of the largest difference in colour.

    Parameters
    ----------
    comparison : Comparison
        What was compared.

    Returns
    -------
    matplotlib.figure.Figure
        Both axes are linear from 0 to the first tick and logarithmic above; the line marks equality.
    """
    table, groups = comparison.table, (comparison.a, comparison.b)
    with figure_style():
        figure = new_figure(5.6, 5.9)
        axis = figure.subplots()
        _scale(axis, table[["mean_a", "mean_b"]].to_numpy())
        style: dict[str, Any] = {"linewidths": 0, "rasterized": True}
        axis.scatter(table["mean_a"], table["mean_b"], s=7, color=_BACKGROUND, zorder=2, label="other latents", **style)
        tops = [comparison.top(group) for group in groups]
        for group, top, color in zip(groups, tops, GROUP_COLORS, strict=True):
            text = f"top {len(top)} higher in {group.name}"
            axis.scatter(top["mean_a"], top["mean_b"], s=18, color=color, zorder=3, label=text, **style)
        axis.set_xlabel(f"barcode of {_size(comparison.a)}")
        axis.set_ylabel(f"barcode of {_size(comparison.b)}")
        _legend(figure, axis)
        labelled = pd.concat([top.head(N_LABELS) for top in tops])
        label_points(axis, labelled["mean_a"].to_numpy(), labelled["mean_b"].to_numpy(), label_texts(labelled))
    return figure


def volcano(comparison: Comparison) -> Figure:
    """Draw p-values against differences; discoveries in the colour of the group in which they are higher.

    Parameters
    ----------
    comparison : Comparison
        With p-values.
    """
    table, options, power = comparison.table, comparison.options, comparison.power
    if power is None:
        raise ValueError("the comparison has no p-values")
    with figure_style():
        figure = new_figure(5.6, 5.0)
        axis = figure.subplots()
        x, y = table["difference"], -np.log10(table["p"])
        found = table["discovery"].to_numpy()
        style: dict[str, Any] = {"linewidths": 0, "rasterized": True}
        axis.scatter(x[~found], y[~found], s=8, color=_BACKGROUND, label=f"q > {options.q:g}", **style)
        for group, color, side in zip((comparison.a, comparison.b), GROUP_COLORS, (x > 0, x < 0), strict=True):
            shown = found & side.to_numpy()
            text = f"higher in {group.name}, q ≤ {options.q:g} ({shown.sum():,})"
            axis.scatter(x[shown], y[shown], s=14, color=color, zorder=3, label=text, **style)
        reach = -np.log10(power.smallest_p)
        _scale_differences(axis, x.to_numpy())
        axis.set_ylim(-0.02 * y.max(), 1.1 * max(min(reach, 1.3 * y.max()), y.max(), 0.1))
        axis.axhline(reach, color="0.35", linewidth=0.8, linestyle=(0, (4, 3)), label="smallest p possible")
        axis.set_xlabel(f"difference of barcodes\n← higher in {comparison.b.name}      higher in {comparison.a.name} →")
        axis.set_ylabel("$-\\log_{10} p$ (Mann-Whitney)")
        _legend(figure, axis)
        best = pd.concat([side[side["discovery"]].head(N_LABELS - 2) for side in (table, table[::-1])])
        best = best.drop_duplicates()
        label_points(axis, best["difference"].to_numpy(), y[best.index].to_numpy(), label_texts(best))
    return figure


def figure_numbers(comparison: Comparison, figure: str) -> pd.DataFrame:
    """Return what a figure shows, one row per latent.

    Parameters
    ----------
    comparison : Comparison
        What was compared.
    figure : str
        ``"scatter"`` or ``"volcano"``.
    """
    shown = ["mean_a", "mean_b", "difference"] if figure == "scatter" else ["difference", "p", "q", "discovery"]
    return comparison.table[[*(name for name in ("latent", "name") if name in comparison.table), *shown]]


def reference_figure(comparison: Comparison, references: TopReferences, atlas: Atlas) -> Figure:
    """Draw reference images of the top latents, left those higher in the first group, right in the second.

    Parameters
    ----------
    comparison : Comparison
        What was compared.
    references : TopReferences
        See `comparison_references`; the first latents and images of each side are drawn.
    atlas : Atlas
        Where the images lie.

    Returns
    -------
    matplotlib.figure.Figure
        Below each image the same in grey, with the patches where the latent is active in orange, on one scale per
        latent.
    """
    sides = [references.of(group)[:N_LATENTS] for group in (comparison.a, comparison.b)]
    n = max(1, *(len(side) for side in sides))
    with figure_style():
        figure = new_figure(2 * (1.5 + 0.86 * N_IMAGES), 1.83 * n + 0.75)
        parts: Any = figure.subfigures(1, 2, wspace=0.02)
        engine: Any = figure.get_layout_engine()
        engine.set(w_pad=0.02, h_pad=0.015, wspace=0.01, hspace=0.005)
        for part, side, group, color in zip(parts, sides, (comparison.a, comparison.b), GROUP_COLORS, strict=True):
            part.suptitle(f"higher in {_size(group)}", color=color, fontweight="bold", fontsize=11)
            _draw_side(part, side, n, comparison, atlas)
        figure.supxlabel(_footer(references), x=0.01, ha="left", fontsize=7.5, color="0.35")
    return figure


def label_texts(table: pd.DataFrame) -> list[str]:
    """Return what latents are called in figures: their names, else their numbers."""
    numbers = [f"#{latent}" for latent in table["latent"]] if "latent" in table else [""] * len(table)
    names = table["name"] if "name" in table else [""] * len(table)
    return [str(name) or number for name, number in zip(names, numbers, strict=True)]


def _size(group: Group) -> str:
    return f"{group.name} ({len(group)} patients)"


def _scale(axis: Axes, means: NDArray[np.float64]) -> None:
    """Scale both axes alike: linear up to the power of ten that nine tenths of what is not zero exceed, then log."""
    positive = means[means > 0]
    threshold = 10.0 ** np.floor(np.log10(np.quantile(positive, 0.1))) if len(positive) else 1.0
    highest = 1.6 * float(max(positive.max(initial=0), 10 * threshold))
    for name in ("x", "y"):
        getattr(axis, f"set_{name}scale")("symlog", linthresh=threshold, linscale=0.5)
        getattr(axis, f"set_{name}lim")(-0.12 * threshold, highest)
    axis.plot([0, highest], [0, highest], color="0.35", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1.5)
    axis.set_aspect("equal")
    axis.grid(color="0.93", linewidth=0.6)
    axis.set_axisbelow(True)


def _scale_differences(axis: Axes, differences: NDArray[np.float64]) -> None:
    """Scale the x axis: linear between the differences that nine tenths exceed in size, then logarithmic."""
    size = np.abs(differences)
    size = size[size > 0]
    threshold = 10.0 ** np.floor(np.log10(np.quantile(size, 0.1))) if len(size) else 1.0
    limit = 2.0 * float(max(size.max(initial=0), threshold))
    axis.set_xscale("symlog", linthresh=threshold, linscale=0.5)
    axis.set_xlim(-limit, limit)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside upper left", ncols=2, fontsize=8, columnspacing=1.2)
    for handle in legend.legend_handles:
        if handle is not None and hasattr(handle, "set_sizes"):
            handle.set_sizes([28])


def _draw_side(
    figure: SubFigure, entries: Sequence[LatentReferences], n: int, comparison: Comparison, atlas: Atlas
) -> None:
    grid = figure.subplots(2 * n, 1 + N_IMAGES, squeeze=False, width_ratios=[1.62, *[1.0] * N_IMAGES])
    for axis in grid.ravel():
        axis.axis("off")
    for i, entry in enumerate(entries):
        axes = grid[2 * i : 2 * i + 2]
        _write(axes[0, 0], entry, comparison)
        strongest = max((float(heatmap.max()) for heatmap in entry.heatmaps), default=0.0) or 1.0
        shown = list(zip(entry.rows, entry.heatmaps, strict=True))[:N_IMAGES]
        for place, (row, heatmap) in enumerate(shown, start=1):
            picture = atlas.picture(int(row))
            if picture is None:
                continue
            axes[0, place].imshow(picture, interpolation="nearest")
            axes[1, place].imshow(
                tint(picture, heatmap.ravel() / strongest, atlas.patch_boxes()), interpolation="nearest"
            )
            axes[0, place].set_title(_patient(row, atlas), fontsize=6, pad=2, loc="center")


def _patient(row: int, atlas: Atlas) -> str:
    return str(atlas.images["patient"].iloc[row])[:16]


def _write(axis: Axes, entry: LatentReferences, comparison: Comparison) -> None:
    """Write what a latent is beside its images, not counted by the layout: a long name must not squeeze them."""
    from textwrap import fill

    title = fill(f"{entry.rank}. {entry.title}", 20, max_lines=3, placeholder=" …")
    group = comparison.a if entry.higher_in == comparison.a.name else comparison.b
    numbers = _numbers(comparison.top(group).iloc[entry.rank - 1], comparison)
    for y, text, size, weight in (
        (1.0, title, 8.5, "bold"),
        (0.8 - 0.17 * title.count("\n"), numbers, 7.0, "normal"),
    ):
        shown = axis.text(
            0, y, text, fontsize=size, fontweight=weight, va="top", transform=axis.transAxes, linespacing=1.3
        )
        shown.set_in_layout(False)


def _numbers(row: pd.Series[Any], comparison: Comparison) -> str:
    from textwrap import fill

    from cytosae_toolkit.atlas.describing import flags_of

    lines = [
        fill(f"{comparison.a.name}: {row['mean_a']:.3g}", 26),
        fill(f"{comparison.b.name}: {row['mean_b']:.3g}", 26),
        f"r = {row['rank_biserial']:+.2f}",
        *([f"q = {row['q']:.2g}"] if "q" in row else []),
        *([f"flag: {', '.join(flags)}"] if (flags := flags_of(dict(row))) else []),
    ]
    return "\n".join(lines)


def _footer(references: TopReferences) -> str:
    text = (
        "Images of patients of the group in whose column they stand, one per cell, with the patient above; below each, "
        "in orange, where the latent is active. r: rank-biserial correlation."
    )
    return text + (" Some images show the strongest patch alone." if references.problem else "")
