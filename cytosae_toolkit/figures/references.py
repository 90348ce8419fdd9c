"""Reference images of latents, with the patches that light up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.figures.style import figure_style, highlight, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LatentRow:
    """A latent and its reference images.

    Parameters
    ----------
    title : str
        Such as ``"latent 417"``.
    text : str
        What stands below it; may have several lines.
    images : sequence of uint8 array [H, W, 3]
        Reference images, best first.
    heatmaps : sequence of float array [patches]
        Activation of each patch of each image.
    boxes : sequence of float64 array [patches, 4]
        The patches in pixels of each image.
    """

    title: str
    text: str
    images: Sequence[NDArray[np.uint8]]
    heatmaps: Sequence[NDArray[np.floating]]
    boxes: Sequence[NDArray[np.float64]]


def reference_montage(rows: Sequence[LatentRow], *, title: str = "", footer: str = "") -> Figure:
    """Draw one row per latent: each reference image, and beside it what the latent sees of it.

    Brightness is on one scale per latent: full where it is as strong as anywhere on the images shown.

    Parameters
    ----------
    rows : sequence of LatentRow
        At least one.
    title, footer : str
        Lines above and below.
    """
    n_pairs = max(len(row.images) for row in rows)
    with figure_style():
        figure = new_figure(2.2 + 2 * n_pairs, 1.12 * len(rows) + 0.55)
        grid = figure.subplots(len(rows), 1 + 2 * n_pairs, squeeze=False, width_ratios=[2.1, *[1.0] * (2 * n_pairs)])
        for row, axes in zip(rows, grid, strict=True):
            _draw_row(row, axes)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        if footer:
            figure.supxlabel(footer, x=0.01, ha="left", fontsize=7.5, color="0.35")
    return figure


def _draw_row(row: LatentRow, axes: NDArray[np.object_]) -> None:
    for axis in axes:
        axis.axis("off")
    axes[0].text(0, 0.98, row.title, fontsize=10, fontweight="bold", va="top", transform=axes[0].transAxes)
    axes[0].text(0, 0.74, row.text, fontsize=8, va="top", transform=axes[0].transAxes, linespacing=1.35)
    strongest = max((float(np.max(heatmap)) for heatmap in row.heatmaps), default=0.0) or 1.0
    for i, (image, heatmap, boxes) in enumerate(zip(row.images, row.heatmaps, row.boxes, strict=True)):
        _show(axes[1 + 2 * i], image)
        _show(axes[2 + 2 * i], highlight(image, np.asarray(heatmap) / strongest, boxes))


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_anchor("N")
