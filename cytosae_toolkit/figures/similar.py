"""An image beside the images of an atlas that share its latents."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.figures.style import figure_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 6


def similar_images(
    image: NDArray[np.uint8],
    name: str,
    pictures: Sequence[NDArray[np.uint8]],
    captions: Sequence[tuple[float, str, str]],
) -> Figure:
    """Draw an image, then those like it, most similar first.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        What was asked about.
    name : str
        Of it.
    pictures : sequence of uint8 array [H, W, 3]
        At least one.
    captions : sequence of (float, str, str)
        Similarity, 0 to 1, label and file of each picture; empty where unknown.
    """
    shown = [image, *pictures]
    texts = [fill(name, 22), *(_caption(*caption) for caption in captions)]
    n_rows = -(-len(shown) // COLUMNS)
    with figure_style():
        figure = new_figure(1.55 * min(len(shown), COLUMNS), 2.05 * n_rows + 0.3)
        grid = figure.subplots(n_rows, min(len(shown), COLUMNS), squeeze=False).reshape(-1).tolist()
        for axis in grid:
            axis.axis("off")
        for axis, picture, text in zip(grid, shown, texts, strict=False):
            _draw(axis, picture, text)
        grid[0].texts[0].set_fontweight("bold")
        footer = "Bold: the image itself. Numbers: similarity of latents, 0 to 1; one image per cell."
        figure.supxlabel(footer, x=0.01, ha="left", fontsize=7.5, color="0.35")
    return figure


def _draw(axis: Axes, picture: NDArray[np.uint8], text: str) -> None:
    axis.imshow(picture, interpolation="nearest")
    axis.set_anchor("S")
    axis.text(0, 1.03, text, fontsize=7.5, va="bottom", transform=axis.transAxes)


def _caption(similarity: float, label: str, file: str) -> str:
    first = f"{similarity:.2f} {label.replace('_', ' ')}".strip()
    return "\n".join(fill(line, 22, max_lines=2, placeholder="…") for line in (first, file) if line)
