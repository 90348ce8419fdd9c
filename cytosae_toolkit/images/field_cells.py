"""White cells of fields of any size and of many fields of one microscope, and the crops that show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.cells import FoundCell, find_cells
from cytosae_toolkit.images.decode import Box
from cytosae_toolkit.images.red_cell_size import RED_CELL_UM, RedCellSize, estimate_red_cells
from cytosae_toolkit.images.windows import Field, window_grid
from cytosae_toolkit.progress import no_step

_TILE = 4096  # pixels: larger fields are searched in tiles of this side
_SAMPLE = 1500  # pixels: side of the pieces in which red cells are measured
_WHITE_CELL = 3.0  # diameter of the largest white cell, in red cells


def field_scale(field: Field) -> RedCellSize:
    """Return the diameter of a red cell: from the pixel size that the file tells, or else estimated.

    Large fields are measured in nine pieces, of which the median of the certain ones counts.

    Returns
    -------
    RedCellSize
        With infinite certainty if the file tells.
    """
    if field.pixel_size is not None:
        return RedCellSize(RED_CELL_UM / field.pixel_size, float("inf"))
    height, width = field.shape[:2]
    if max(height, width) <= _TILE:
        return estimate_red_cells(field.read_window(0, 0, width, height))
    boxes = window_grid(field.shape, _SAMPLE, overlap=0.0)
    chosen = sorted({round(float(place)) for place in np.linspace(0, len(boxes) - 1, 9)})
    sizes = [estimate_red_cells(field.read_window(*boxes[place])) for place in chosen]
    certain = [size for size in sizes if size.is_certain] or sizes
    return RedCellSize(*(float(np.median(values)) for values in zip(*certain, strict=True)))


def common_scale(sizes: Sequence[RedCellSize], shapes: Sequence[tuple[int, ...]]) -> list[float]:
    """Return red-cell diameters of several fields: an uncertain one is that of the other fields of the same size.

    Pictures of one size are taken to come from one microscope; where none of them is certain, each keeps its own.
    """
    found = []
    for size, shape in zip(sizes, shapes, strict=True):
        others = [
            other.diameter
            for other, its in zip(sizes, shapes, strict=True)
            if other.is_certain and its[:2] == shape[:2]
        ]
        found.append(float(np.median(others)) if others and not size.is_certain else size.diameter)
    return found


def find_cells_of_field(
    field: Field, *, red_cell_diameter: float, on_step: Callable[[], object] = no_step
) -> list[FoundCell]:
    """Find the white cells of a field of any size; above 4096 pixels a side in overlapping tiles.

    Parameters
    ----------
    field : Field
        As `open_field` returns it.
    red_cell_diameter : float
        In pixels; see `field_scale`.
    on_step : callable
        Called between two steps of the search in a tile; may end it by raising.

    Returns
    -------
    list of FoundCell
        In pixels of the field, from top to bottom. Memory depends on the tile, not on the field.
    """
    if max(field.shape) <= _TILE:
        image = field.read_window(0, 0, field.shape[1], field.shape[0])
        return find_cells(image, red_cell_diameter=red_cell_diameter, on_step=on_step)
    shared = 2 * _WHITE_CELL * red_cell_diameter / _TILE
    if shared > 0.5:
        raise CytosaeError(
            f"Red cells of {red_cell_diameter:.4g} pixels are too large for a field of {field.shape[1]} x "
            f"{field.shape[0]} pixels.",
            "Give the diameter of a red cell in pixels, or a smaller picture.",
        )
    found = []
    for tile in window_grid(field.shape, _TILE, overlap=shared):
        cells = find_cells(field.read_window(*tile), red_cell_diameter=red_cell_diameter, on_step=on_step)
        found += [_moved(cell, tile) for cell in cells if not _is_cut(cell, tile, field.shape)]
    return sorted(_without_repeats(found), key=lambda cell: (cell.y0, cell.x0))


def _is_cut(cell: FoundCell, tile: Box, shape: tuple[int, ...]) -> bool:
    """Say whether a tile ends within a cell although the field goes on: a neighbouring tile shows all of it."""
    x0, y0, x1, y1 = tile
    near = 0.1 * cell.red_cell_diameter
    return (
        (cell.x0 <= near and x0 > 0)
        or (cell.y0 <= near and y0 > 0)
        or (cell.x1 >= x1 - x0 - near and x1 < shape[1])
        or (cell.y1 >= y1 - y0 - near and y1 < shape[0])
    )


def _moved(cell: FoundCell, tile: Box) -> FoundCell:
    x, y = tile[:2]
    return replace(cell, x0=cell.x0 + x, y0=cell.y0 + y, x1=cell.x1 + x, y1=cell.y1 + y)


def _without_repeats(cells: list[FoundCell]) -> list[FoundCell]:
    """Leave out cells that an overlapping tile found too: their centres are nearer than half a red cell."""
    kept: list[FoundCell] = []
    for cell in sorted(cells, key=lambda cell: -cell.score):
        x, y = cell.centre
        if all(np.hypot(x - a, y - b) >= 0.5 * cell.red_cell_diameter for a, b in (other.centre for other in kept)):
            kept.append(cell)
    return kept


def crop_boxes(
    cells: Sequence[FoundCell], shape: tuple[int, ...], *, side: float | None = None, margin: float = 0.25
) -> list[Box]:
    """Return a square about each cell.

    Parameters
    ----------
    cells : sequence of FoundCell
    shape : (int, int, ...)
        Height and width of the field.
    side : float, optional
        Side of all squares in pixels, see `side_like`. Without it each follows its cell.
    margin : float
        Space on each side of a cell as a share of the longer side of its box, where `side` is not given.

    Returns
    -------
    list of (x0, y0, x1, y1)
        Half-open, whole pixels. At the border a square is moved into the field, and cut only where the field is
        smaller than the square.
    """
    boxes = []
    for cell in cells:
        longer = max(cell.x1 - cell.x0, cell.y1 - cell.y0)
        wanted = max(1, round(longer * (1 + 2 * margin) if side is None else side))
        (x0, x1), (y0, y1) = (
            _span(middle, wanted, length) for middle, length in zip(cell.centre, (shape[1], shape[0]), strict=True)
        )
        boxes.append((x0, y0, x1, y1))
    return boxes


def _span(middle: float, wanted: int, length: int) -> tuple[int, int]:
    size = min(wanted, length)
    start = min(max(round(middle - size / 2), 0), length - size)
    return start, start + size


def side_like(cells: Sequence[FoundCell], cell_share: float, red_cell_diameter: float) -> float:
    """Return the side of crops in which the median cell covers the same share as in other single-cell pictures.

    Parameters
    ----------
    cells : sequence of FoundCell
        Cells of one or several fields; areas are compared in red cells, so that fields may differ in scale.
    cell_share : float
        Median share of a picture that its cell covers, as `measure_cell` measures it; 0 to 1.
    red_cell_diameter : float
        Of the field that is cropped, in pixels.

    Returns
    -------
    float
        Pixels.
    """
    areas = [cell.cell_area / cell.red_cell_diameter**2 for cell in cells]
    return float(np.sqrt(np.median(areas) / cell_share) * red_cell_diameter)
