"""Reference images of latents, with the patches that light up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.figures.heat import tint
from cytosae_toolkit.figures.style import figure_style, highlight, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_TITLE_WIDTH = 24


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
    captions : sequence of str
        One line above each image, or none at all.
    """

    title: str
    text: str
    images: Sequence[NDArray[np.uint8]]
    heatmaps: Sequence[NDArray[np.floating]]
    boxes: Sequence[NDArray[np.float64]]
    captions: Sequence[str] = ()

    @property
    def strongest(self) -> float:
        """Largest activation on the images, 1 where there is none."""
        return max((float(np.max(heatmap)) for heatmap in self.heatmaps), default=0.0) or 1.0


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


def stacked_montage(rows: Sequence[LatentRow], *, footer: str = "") -> Figure:
    """Draw two lines per latent: its reference images, and below each in orange where the latent is active.

    Narrower than `reference_montage`: for ten and more images. Images on which a latent is silent have nothing below.

    Parameters
    ----------
    rows : sequence of LatentRow
        At least one.
    footer : str
        Line below.
    """
    n = max(1, *(len(row.images) for row in rows))
    with figure_style():
        figure = new_figure(2.2 + 0.92 * n, 2.12 * len(rows) + 0.25 * bool(footer))
        grid = figure.subplots(2 * len(rows), 1 + n, squeeze=False, width_ratios=[2.15, *[1.0] * n])
        for i, row in enumerate(rows):
            _draw_stacked(row, grid[2 * i : 2 * i + 2])
        engine: Any = figure.get_layout_engine()
        engine.set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
        if footer:
            figure.supxlabel(footer, x=0.01, ha="left", fontsize=7.5, color="0.35")
    return figure


def _draw_stacked(row: LatentRow, axes: NDArray[np.object_]) -> None:
    _write_text(row, axes[0, 0])
    for axis in axes.reshape(-1).tolist():
        axis.axis("off")
    for i, (image, heatmap, boxes) in enumerate(zip(row.images, row.heatmaps, row.boxes, strict=True), start=1):
        _show(axes[0, i], image)
        if row.captions:
            axes[0, i].set_title(row.captions[i - 1], fontsize=6.5, loc="center", pad=2)
        if np.max(heatmap) > 0:
            _show(axes[1, i], tint(image, np.asarray(heatmap) / row.strongest, boxes))


def _draw_row(row: LatentRow, axes: NDArray[np.object_]) -> None:
    for axis in axes:
        axis.axis("off")
    _write_text(row, axes[0])
    for i, (image, heatmap, boxes) in enumerate(zip(row.images, row.heatmaps, row.boxes, strict=True)):
        _show(axes[1 + 2 * i], image)
        _show(axes[2 + 2 * i], highlight(image, np.asarray(heatmap) / row.strongest, boxes))


def _write_text(row: LatentRow, axis: Axes) -> None:
    """Write title and text, not counted by the layout: a long one must not squeeze the images."""
    title = fill(row.title, _TITLE_WIDTH)
    below = 0.98 - 0.24 * (1 + title.count("\n"))
    for text in (
        axis.text(0, 0.98, title, fontsize=10, fontweight="bold", va="top", transform=axis.transAxes),
        axis.text(0, below, row.text, fontsize=8, va="top", transform=axis.transAxes, linespacing=1.35),
    ):
        text.set_in_layout(False)


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_anchor("N")
