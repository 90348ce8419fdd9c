"""What latents see of one image: image times activation (figure 3 of the paper), and overlays."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.figures.heat import upsample
from cytosae_toolkit.figures.references import LatentRow
from cytosae_toolkit.figures.style import ORANGE, SKY, alpha_ramp, figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GAMMA = 0.5
"""Of `multiply` in figures."""
GREYS = (150, 245)
"""Darkest and brightest grey of the image that shows through where a latent is silent."""


def multiply(
    image: NDArray[np.uint8],
    heatmap: NDArray[np.floating],
    boxes: NDArray[np.float64],
    vmax: float,
    gamma: float = 1.0,
    ground: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Return an image times the activation of its patches: where the latent is silent, black or a given ground.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        RGB.
    heatmap, boxes : array
        As in `cytosae_toolkit.figures.heat.upsample`.
    vmax : float
        Activation from which on the image is as it is.
    gamma : float
        1 is the paper's; below 1 weak activations become brighter.
    ground : uint8 array [H, W, 3], optional
        What is seen where the latent is silent, b; by default black, as in the paper.

    Returns
    -------
    uint8 array [H, W, 3]
        w x + (1 - w) b with w = min(h / vmax, 1)^gamma of each pixel's patch.
    """
    weight = np.clip(upsample(heatmap, boxes, image.shape) / (vmax or 1.0), 0, 1)[..., None] ** gamma
    below = 0.0 if ground is None else (1 - weight) * ground
    return np.asarray(np.rint(image * weight + below), dtype=np.uint8)


def faded(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image in light grey, uint8 [H, W, 3], stretched so that cells are recognised in pale pictures."""
    grey = image.mean(axis=2, keepdims=True)
    dark, bright = np.percentile(grey, (1, 99))
    share = np.clip((grey - dark) / (bright - dark), 0, 1) if bright > dark else np.ones_like(grey)
    grey = GREYS[0] + (GREYS[1] - GREYS[0]) * share
    return np.asarray(np.rint(np.broadcast_to(grey, image.shape)), dtype=np.uint8)


def patch_attribution(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float64],
    heatmaps: Sequence[NDArray[np.floating]],
    rows: Sequence[LatentRow],
    *,
    patch: int | None = None,
    region: tuple[int, int, int, int] | None = None,
    title: str = "",
    footer: str = "",
) -> Figure:
    """Draw an image, and for each latent what it sees of this image and of its reference images.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        The image to explain.
    boxes : float64 array [patches, 4]
        Its patches in pixels.
    heatmaps : sequence of float array [rows, columns] or [patches]
        Activation of each latent on this image.
    rows : sequence of LatentRow
        The same latents: title, text, reference images (none at all are allowed).
    patch : int, optional
        Row-major index of the patch that is explained; outlined.
    region : (x0, y0, x1, y1), optional
        Box of pixels that is explained; outlined.
    title, footer : str
        Lines above and below.

    Returns
    -------
    matplotlib.figure.Figure
        Colour grows with the square root of the activation, so that weak patches are seen in print, from light grey
        (silent) to the image as it is: at the largest activation on this image, and on the references at the largest
        on them.
    """
    n = max((len(row.images) for row in rows), default=0)
    lines = max(len(rows), 1)
    with figure_style():
        figure = new_figure(4.6 + 1.2 * (n + 1), max(1.25 * lines, 2.2) + 0.6)
        parts: Any = figure.subfigures(1, 2, width_ratios=[2.2, 2.4 + 1.2 * (n + 1)])
        left, right = parts
        axis = left.subplots()
        _show(axis, image)
        axis.set_anchor("N")
        marked = _marked(boxes, patch, region)
        axis.set_title(" and ".join(["image", *marked]), fontsize=8)
        for box in marked.values():
            outline(axis, box)
        grid = right.subplots(lines, 2 + n, squeeze=False, width_ratios=[2.0, *[1.0] * (n + 1)])
        for line, (row, heatmap) in enumerate(zip(rows, heatmaps, strict=True)):
            _draw_row(grid[line], image, boxes, heatmap, row, marked)
        _head(grid, n)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        scale = "Colour: where the latent is active, on one scale here and one on the references; grey: silent."
        figure.supxlabel(f"{scale} {footer}".strip(), x=0.01, ha="left", fontsize=7.5, color="0.35")
    return figure


def _marked(
    boxes: NDArray[np.float64], patch: int | None, region: tuple[int, int, int, int] | None
) -> dict[str, NDArray[np.float64]]:
    """Return what is outlined, by what it is called."""
    found = {} if patch is None else {"patch": boxes[patch]}
    return found if region is None else found | {"region": np.asarray(region, dtype=np.float64)}


def outline(axis: Axes, box: NDArray[np.float64], width: float = 1.8) -> None:
    """Draw the outline of a patch, `width` points wide, legible on dark and bright ground."""
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = (float(value) for value in box)
    for thickness, shade in ((width + 1.4, "black"), (width, SKY)):
        axis.add_patch(
            Rectangle(
                (x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=shade, linewidth=thickness, zorder=5
            )
        )


def overlay(
    image: NDArray[np.uint8],
    heatmap: NDArray[np.floating],
    boxes: NDArray[np.float64],
    vmax: float | None = None,
    *,
    title: str = "",
    patch: int | None = None,
    region: tuple[int, int, int, int] | None = None,
    largest: float | None = None,
) -> Figure:
    """Draw an image under the activation of one latent, with a colour bar in units of activation.

    The opacity of the colour grows from 0 (silent) to 0.85, so that the cell stays visible.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        RGB.
    heatmap, boxes : array
        As in `cytosae_toolkit.figures.heat.upsample`.
    vmax : float, optional
        Activation at full colour; default the largest of the heat map.
    title : str
        Line above.
    patch : int, optional
        Row-major index of a patch to outline.
    region : (x0, y0, x1, y1), optional
        Box of pixels to outline.
    largest : float, optional
        Largest activation in the atlas, named beside the bar.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    ramp, scale = alpha_ramp(ORANGE), Normalize(0, vmax or float(np.max(heatmap)) or 1.0, clip=True)
    height, width = image.shape[:2]
    with figure_style():
        wide = min(max(width / height, 1.0), 2.0)
        figure = new_figure(0.8 + 3.4 * wide, 3.4 * wide * min(height / width, 2.0) + 0.3)
        axis = figure.subplots()
        _show(axis, image)
        axis.imshow(ramp(scale(upsample(heatmap, boxes, image.shape))), interpolation="nearest")
        for box in _marked(boxes, patch, region).values():
            outline(axis, box)
        bar = figure.colorbar(ScalarMappable(scale, ramp), ax=axis, shrink=0.85)
        bar.set_label("activation" if largest is None else f"activation (largest in the atlas {largest:.3g})")
        bar.outline.set_linewidth(0.5)
        axis.set_title(title)
    return figure


def _draw_row(
    axes: NDArray[np.object_],
    image: NDArray[np.uint8],
    boxes: NDArray[np.float64],
    heatmap: NDArray[np.floating],
    row: LatentRow,
    marked: dict[str, NDArray[np.float64]],
) -> None:
    for axis in axes:
        axis.axis("off")
    title = fill(row.title, 24)
    text = axes[0].text(0, 0.95, title, fontsize=9, fontweight="bold", va="top", transform=axes[0].transAxes)
    more = axes[0].text(
        0,
        0.93 - 0.2 * (1 + title.count("\n")),
        row.text,
        fontsize=7.5,
        va="top",
        transform=axes[0].transAxes,
        linespacing=1.3,
    )
    for item in (text, more):
        item.set_in_layout(False)
    _show(axes[1], multiply(image, heatmap, boxes, float(np.max(heatmap)), GAMMA, faded(image)))
    for box in marked.values():
        outline(axes[1], box, width=0.7)
    for axis, picture, heat, places in zip(axes[2:], row.images, row.heatmaps, row.boxes, strict=False):
        _show(axis, multiply(picture, heat, places, row.strongest, GAMMA, faded(picture)))


def _head(grid: NDArray[np.object_], n_references: int) -> None:
    grid[0, 1].set_title("this image × h", fontsize=8, loc="center")
    if n_references:
        grid[0, 2].set_title("reference images × h", fontsize=8)


def _show(axis: Axes, image: NDArray[np.uint8]) -> None:
    axis.imshow(image, interpolation="nearest")
    axis.axis("off")
