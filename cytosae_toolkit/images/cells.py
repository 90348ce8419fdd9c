"""Find the white cells of a smear field: colour deconvolution for the nuclei, watershed for what belongs together.

A field is first brought to one scale, red cells 24 pixels wide, so that all sizes are multiples of the red cell. Then
nuclei are found in it, see `cytosae_toolkit.images.nuclei`, and about each the cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import Box
from cytosae_toolkit.images.morphology import grow_cell
from cytosae_toolkit.images.nuclei import RED_CELL, Labels, contrast_of, find_nuclei, is_nucleus
from cytosae_toolkit.images.pixels import RGB
from cytosae_toolkit.images.red_cell_size import RED_CELL_UM, estimate_red_cells
from cytosae_toolkit.images.staining import (
    Bools,
    Floats,
    above_surroundings,
    chromatin,
    local_background,
    optical_density,
)
from cytosae_toolkit.progress import no_step

_MIN_PIXELS = 5  # narrower red cells cannot be told from noise


@dataclass(frozen=True)
class FoundCell:
    """A white cell in a field.

    Attributes
    ----------
    x0, y0, x1, y1 : int
        Box of the cell in pixels, half-open.
    nuclear_area, cell_area : float
        Pixels of the nucleus, and of the whole cell with it.
    score : float
        Height of the cell's chromatin over its surroundings: optical density smoothed over a quarter of a red cell,
        divided by what was asked for, so 1 is barely found.
    touches_border : bool
        Whether the picture ends within the cell.
    red_cell_diameter : float
        Pixels of a red cell, given or estimated: the scale.
    """

    x0: int
    y0: int
    x1: int
    y1: int
    nuclear_area: float
    cell_area: float
    score: float
    touches_border: bool
    red_cell_diameter: float

    @property
    def box(self) -> Box:
        """``(x0, y0, x1, y1)``."""
        return self.x0, self.y0, self.x1, self.y1

    @property
    def centre(self) -> tuple[float, float]:
        """``(x, y)`` of the middle of the box."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    @property
    def diameter(self) -> float:
        """Diameter in pixels of a disk of the cell's area."""
        return float(np.sqrt(4 * self.cell_area / np.pi))


def find_cells(
    image: RGB,
    *,
    red_cell_diameter: float | None = None,
    pixel_size: float | None = None,
    on_step: Callable[[], object] = no_step,
) -> list[FoundCell]:
    """Find the white cells of a field.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
    red_cell_diameter : float, optional
        In pixels. By default from `pixel_size`, or else estimated from the picture.
    pixel_size : float, optional
        µm per pixel; a red cell measures 7.5 µm.
    on_step : callable
        Called between two steps of the search; may end it by raising.

    Returns
    -------
    list of FoundCell
        From the top to the bottom of the field. Cells that the border cuts are included.

    Raises
    ------
    CytosaeError
        A scale that no picture of cells has.
    """
    diameter = scale_of(image, red_cell_diameter, pixel_size)
    factor = diameter / RED_CELL
    small = _resized(image, factor)
    density = optical_density(small, local_background(small, 6 * RED_CELL, on_step))
    on_step()
    density = np.asarray(ndimage.uniform_filter(density, (3, 3, 0)), dtype=np.float32)
    stain = above_surroundings(chromatin(density), 8 * RED_CELL, on_step)
    bumps = np.asarray(ndimage.gaussian_filter(stain, 0.25 * RED_CELL))
    on_step()
    threshold = contrast_of(density, bumps)
    on_step()
    nuclei = find_nuclei(ndimage.uniform_filter(stain, 3), bumps, threshold, on_step)
    found = []
    for label, window in enumerate(ndimage.find_objects(nuclei), 1):
        if window is None:
            continue
        on_step()
        piece = nuclei[window] == label
        score = float(bumps[window][piece].max(initial=0)) / threshold
        if is_nucleus(piece, density[window], score, _at_border(window, stain.shape)):
            found.append(_measured(density, nuclei, label, window, score, factor, image.shape))
    return sorted(found, key=lambda cell: (cell.y0, cell.x0))


def scale_of(image: RGB, red_cell_diameter: float | None, pixel_size: float | None) -> float:
    """Return the diameter of a red cell in pixels: as given, from µm per pixel, or estimated.

    Raises
    ------
    CytosaeError
        It is not between 5 pixels and twice the picture.
    """
    if red_cell_diameter is not None:
        diameter = red_cell_diameter
    elif pixel_size is not None and pixel_size > 0:
        diameter = RED_CELL_UM / pixel_size
    elif pixel_size is None:
        diameter = max(_MIN_PIXELS, estimate_red_cells(image).diameter)
    else:
        raise CytosaeError(f"A pixel of {pixel_size} µm is not possible.", "Give µm per pixel, such as 0.1.")
    if not _MIN_PIXELS <= diameter <= 2 * max(image.shape[:2]):
        raise CytosaeError(
            f"Red cells of {diameter:.4g} pixels do not fit a picture of {image.shape[1]} x {image.shape[0]} pixels.",
            f"White cells are found where red cells measure {_MIN_PIXELS} pixels or more; give the diameter of one.",
        )
    return diameter


def _resized(image: RGB, factor: float) -> RGB:
    size = max(8, round(image.shape[1] / factor)), max(8, round(image.shape[0] / factor))
    method = Image.Resampling.BOX if factor > 1 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(image).resize(size, method))


def _at_border(window: tuple[slice, slice], shape: tuple[int, ...], width: int = 1) -> bool:
    rows, columns = window
    return bool(
        rows.start <= width
        or columns.start <= width
        or rows.stop >= shape[0] - width
        or columns.stop >= shape[1] - width
    )


def _measured(
    density: Floats,
    nuclei: Labels,
    label: int,
    window: tuple[slice, slice],
    score: float,
    factor: float,
    shape: tuple[int, ...],
) -> FoundCell:
    """Outline the cell about a nucleus and bring its numbers back to the pixels of the field."""
    around = _widened(window, nuclei.shape)
    nucleus = ndimage.binary_fill_holes(nuclei[around] == label)
    cell = _cell(density[around], nucleus, (nuclei[around] > 0) & ~nucleus)
    rows, columns = ndimage.find_objects(cell.astype(np.int32))[0]
    top, left = around[0].start, around[1].start
    inner = (slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop))
    scale_y, scale_x = shape[0] / nuclei.shape[0], shape[1] / nuclei.shape[1]
    return FoundCell(
        x0=int(inner[1].start * scale_x),
        y0=int(inner[0].start * scale_y),
        x1=min(shape[1], int(np.ceil(inner[1].stop * scale_x))),
        y1=min(shape[0], int(np.ceil(inner[0].stop * scale_y))),
        nuclear_area=float(nucleus.sum() * scale_x * scale_y),
        cell_area=float(cell.sum() * scale_x * scale_y),
        score=score,
        touches_border=_at_border(inner, nuclei.shape, 0) or _at_border(window, nuclei.shape),
        red_cell_diameter=factor * RED_CELL,
    )


def _cell(density: Floats, nucleus: Bools, others: Bools) -> Bools:
    """Outline the cell; where it has no visible edge, a rim about the nucleus."""
    reach = 0.45 * RED_CELL
    cell = grow_cell(density, nucleus, others, reach)
    away = ndimage.distance_transform_edt(~nucleus)
    limit = (away > reach - 2) & (away < reach) & ~others
    if cell[limit].sum() > 0.4 * limit.sum():  # it ran out over red cells in all directions
        return np.asarray(away <= 0.12 * RED_CELL)
    return cell


def _widened(window: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, side.start - RED_CELL), min(length, side.stop + RED_CELL))
        for side, length in zip(window, shape, strict=True)
    )
    return rows, columns
