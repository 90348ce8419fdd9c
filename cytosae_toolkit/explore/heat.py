"""Heat maps over a picture, put together from those of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.explore.windows import Blend

if TYPE_CHECKING:
    from cytosae_toolkit.explore.scene import Part

LARGEST_MAP = 2048
"""Longer side of a heat map over a field, in cells of the map."""


@dataclass(frozen=True, eq=False)
class Heat:
    """A heat map over a picture.

    Parameters
    ----------
    values : float32 array [rows, columns]
        Activation; 0 where the latent is silent or nothing was looked at.
    origin : (float, float)
        ``y, x`` of its upper left corner in the picture's pixels; (0, 0) is the corner of the upper left pixel.
    cell : (float, float)
        Height and width of one of its cells in the picture's pixels.
    """

    values: NDArray[np.float32]
    origin: tuple[float, float]
    cell: tuple[float, float]


def heat_of_part(part: Part, latent: int) -> Heat | None:
    """Return the heat map of a picture that is one part, a cell of the map for each patch.

    None where its patches form no regular grid.
    """
    grid = regular_grid(part.boxes, part.image.grid)
    return None if grid is None else Heat(part.image.heatmap(latent), *grid)


def over_picture(values: NDArray[np.float32], shape: tuple[int, int]) -> Heat:
    """Return values, float32 [rows, columns], as a heat map over a whole picture of this height and width, pixels."""
    return Heat(values, (0.0, 0.0), (shape[0] / values.shape[0], shape[1] / values.shape[1]))


def blended(parts: Sequence[Part], shape: tuple[int, int], latent: int) -> Heat:
    """Return the heat map of windows of one size, as `cytosae_toolkit.explore.windows.slide` blends them.

    The arguments are those of `Canvas` and `Canvas.heat`.
    """
    blend = Blend(1, shape, parts[0].image.boxes)
    for part in parts:
        blend.add(part.image.heatmap(latent)[None], part.boxes)
    return over_picture(np.nan_to_num(blend.result()[0]), shape)


class Canvas:
    """Paints the heat maps of parts of a picture into one map, the larger activation where parts overlap.

    Parameters
    ----------
    parts : sequence of Part
        Anywhere in the picture.
    shape : (int, int)
        Height and width of the picture, pixels.
    """

    def __init__(self, parts: Sequence[Part], shape: tuple[int, int]) -> None:
        step = max(1.0, max(shape) / LARGEST_MAP)
        self._parts, self._shape = parts, shape
        self._size = max(1, round(shape[0] / step)), max(1, round(shape[1] / step))

    def heat(self, latent: int) -> Heat:
        """Return the map of a latent."""
        values = np.zeros(self._size, dtype=np.float32)
        for part, places in zip(self._parts, self._places, strict=True):
            heat = part.image.heatmap(latent)
            if heat.any():
                (top, rows), (left, columns) = places
                painted = np.maximum.reduceat(np.maximum.reduceat(heat, rows, axis=0), columns, axis=1)
                place = values[top : top + len(rows), left : left + len(columns)]
                np.maximum(place, painted, out=place)
        return over_picture(values, self._shape)

    @cached_property
    def _places(self) -> list[list[tuple[int, NDArray[np.int64]]]]:
        """Where each part is painted: for rows and for columns, as `cells_of_edges` returns it."""
        axes = list(zip(self._shape, self._size, strict=True))
        return [
            [cells_of_edges(edges / (side / n), n) for edges, (side, n) in zip(part.edges, axes, strict=True)]
            for part in self._parts
        ]


def cells_of_edges(edges: NDArray[np.float64], n: int) -> tuple[int, NDArray[np.int64]]:
    """Return which cells of an axis show a row of patches, and which patch each begins with.

    A cell shows the patch under its centre; where patches are smaller than cells, all from there up to the next
    cell's, so that none is lost (as `np.maximum.reduceat` reads the patches).

    Parameters
    ----------
    edges : float64 array [n_patches + 1]
        Where patches begin and the last one ends, in cells of the axis, whose first cell is from 0 to 1.
    n : int
        Cells of the axis.

    Returns
    -------
    first : int
        The first cell.
    patches : int64 array [n_cells]
        Not decreasing, from 0.
    """
    first, stop = (int(np.ceil(edge - 0.5)) for edge in (edges[0], edges[-1]))
    first = min(max(first, 0), n - 1)
    stop = min(max(stop, first + 1), n)
    patches = np.searchsorted(edges[1:-1], np.arange(first, stop) + 0.5, side="right").astype(np.int64)
    patches[0] = 0
    return first, patches


def regular_grid(
    boxes: NDArray[np.float64], grid: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return origin and cell (both ``y, x``) of patches that form a regular grid, None if they do not.

    Parameters
    ----------
    boxes : float64 array [rows * columns, 4]
        ``x0, y0, x1, y1``, row-major.
    grid : (int, int)
        Rows and columns.
    """
    rows, columns = grid
    x0, y0, x1, y1 = boxes[0, 0], boxes[0, 1], boxes[-1, 2], boxes[-1, 3]
    cell = (y1 - y0) / rows, (x1 - x0) / columns
    y, x = np.divmod(np.arange(rows * columns), columns)
    corners = np.stack([x0 + x * cell[1], y0 + y * cell[0], x0 + (x + 1) * cell[1], y0 + (y + 1) * cell[0]], axis=1)
    if not np.allclose(corners, boxes, atol=0.5):
        return None
    return (float(y0), float(x0)), (float(cell[0]), float(cell[1]))
