"""Find the white cells of a smear field: colour deconvolution for the nuclei, watershed for what belongs together.

A field is first brought to one scale, red cells 24 pixels wide, so that all sizes below are multiples of the red
cell. The chromatin of a white cell, smoothed over a quarter of a red cell, is one bump whatever the lobes; platelets
and debris are too small for one, red cells hold no chromatin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import Box
from cytosae_toolkit.images.morphology import grow_cell
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

_RED_CELL = 24  # pixels of a red cell at the scale of the search
_RED_CELL_AREA = np.pi / 4 * _RED_CELL**2
_MIN_CONTRAST = 0.3  # smoothed density of chromatin above its surroundings; platelets and stain dust reach 0.2
_MIN_NUCLEUS, _MIN_NUCLEUS_AT_BORDER = 0.3, 0.12  # areas in red cells; a platelet has 0.1
_LOBE = 0.7  # a piece of chromatin smaller than this may be a lobe, in red cells; lymphocytes have 0.8 and more
_RED_TO_GREEN = 0.25  # of absorbance: chromatin has 0.4 or more, red cells have hardly any
_FAINT, _FAINT_RED_TO_GREEN = 1.5, 2.0  # of scores; so faint, nuclei have up to 1.2, greenish red cells 3 and more
_MIN_PIXELS = 5  # narrower red cells cannot be told from noise

Labels = npt.NDArray[np.int32]


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
    factor = diameter / _RED_CELL
    small = _resized(image, factor)
    density = optical_density(small, local_background(small, 6 * _RED_CELL, on_step))
    on_step()
    density = np.asarray(ndimage.uniform_filter(density, (3, 3, 0)), dtype=np.float32)
    stain = above_surroundings(chromatin(density), 8 * _RED_CELL, on_step)
    bumps = np.asarray(ndimage.gaussian_filter(stain, 0.25 * _RED_CELL))
    on_step()
    threshold = _contrast(density, bumps)
    on_step()
    nuclei = _joined_lobes(_nuclei(ndimage.uniform_filter(stain, 3), bumps, threshold, on_step), on_step)
    found = []
    for label, window in enumerate(ndimage.find_objects(nuclei), 1):
        if window is None:
            continue
        on_step()
        piece = nuclei[window] == label
        score = float(bumps[window][piece].max(initial=0)) / threshold
        if _is_nucleus(piece, density[window], score, _at_border(window, stain.shape)):
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


def _contrast(density: Floats, bumps: Floats) -> float:
    """Return the height from which a bump of chromatin is a nucleus.

    It follows the picture: red cells dense in green have some chromatin colour too, and beside well-stained nuclei
    what is a third as high is none.
    """
    green = density[:, :, 1]
    if np.ptp(green) == 0:
        return _MIN_CONTRAST
    cells = float(np.median(green[green > threshold_otsu(green, 64)]))  # type: ignore[no-untyped-call]
    return max(_MIN_CONTRAST, 0.4 * cells, 0.3 * float(bumps.max()))


def _nuclei(stain: Floats, bumps: Floats, threshold: float, on_step: Callable[[], object]) -> Labels:
    """Label the chromatin of each bump, int32 [h, w], 0 elsewhere: what is 0.6 times as dense as its densest part."""
    peaks = (bumps == ndimage.maximum_filter(bumps, _RED_CELL // 2 | 1)) & (bumps > threshold)
    y, x = np.nonzero(peaks)
    seeds = np.zeros(bumps.shape, dtype=np.int32)
    seeds[y, x] = _joined_peaks(bumps, y, x)
    basins = watershed(-bumps, seeds, mask=(stain > 0.3 * threshold) | peaks)  # type: ignore[no-untyped-call]
    nuclei = np.zeros_like(seeds)
    for label, window in enumerate(ndimage.find_objects(basins), 1):
        on_step()
        if window is not None:
            basin = basins[window] == label
            core = ndimage.binary_opening(basin & (stain[window] > 0.6 * np.percentile(stain[window][basin], 90)))
            near = ndimage.distance_transform_edt(~basin | (seeds[window] != label)) < 1.3 * _RED_CELL
            nuclei[window][core & near] = label
    return nuclei


def _joined_peaks(bumps: Floats, y: npt.NDArray[np.intp], x: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """Give one label, from 1, to peaks of one nucleus: near each other, or without a valley between them."""
    height = bumps[y, x]
    labels = np.arange(1, len(y) + 1, dtype=np.int32)
    for i in range(len(y)):
        for j in range(i):
            apart = float(np.hypot(y[i] - y[j], x[i] - x[j]))
            if apart > 1.3 * _RED_CELL or labels[i] == labels[j]:
                continue
            rows = np.rint(np.linspace(y[i], y[j], int(apart) + 2)).astype(int)
            columns = np.rint(np.linspace(x[i], x[j], int(apart) + 2)).astype(int)
            valley = float(bumps[rows, columns].min())
            if apart < 0.7 * _RED_CELL or valley > 0.7 * min(height[i], height[j]):
                labels[labels == labels[i]] = labels[j]
    return labels


def _joined_lobes(nuclei: Labels, on_step: Callable[[], object]) -> Labels:
    """Join pieces too small for a nucleus of their own with the nearest piece less than 0.6 red cells away."""
    result = nuclei.copy()
    sizes = np.bincount(nuclei.ravel())
    for label in np.argsort(sizes):
        if label == 0 or not 0 < sizes[label] < _LOBE * _RED_CELL_AREA:
            continue
        on_step()
        piece = result == label
        gap = ndimage.distance_transform_edt(~piece)
        gap[piece | (result == 0)] = np.inf
        nearest = np.unravel_index(int(gap.argmin()), gap.shape)
        other = result[nearest]
        if gap[nearest] < 0.6 * _RED_CELL and _width(piece | (result == other)) < 2.2 * _RED_CELL:
            result[piece] = other
    return result


def _width(mask: Bools) -> float:
    y, x = np.nonzero(mask)
    return float(np.hypot(np.ptp(y), np.ptp(x)))


def _is_nucleus(piece: Bools, density: Floats, score: float, at_border: bool) -> bool:
    """Say whether a piece has the size and the colour of a nucleus.

    Red cells hold no red-absorbing stain; where the picture makes them greenish they absorb red but hardly green, which
    only dense chromatin does.
    """
    least = _MIN_NUCLEUS_AT_BORDER if at_border else _MIN_NUCLEUS
    if piece.sum() < least * _RED_CELL_AREA:
        return False
    red, green = np.median(density[piece][:, :2], axis=0)
    most = _FAINT_RED_TO_GREEN if score < _FAINT else np.inf
    return bool(_RED_TO_GREEN * green < red and (green <= 0 or red < most * green))


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
        red_cell_diameter=factor * _RED_CELL,
    )


def _cell(density: Floats, nucleus: Bools, others: Bools) -> Bools:
    """Outline the cell; where it has no visible edge, a rim about the nucleus."""
    reach = 0.45 * _RED_CELL
    cell = grow_cell(density, nucleus, others, reach)
    away = ndimage.distance_transform_edt(~nucleus)
    limit = (away > reach - 2) & (away < reach) & ~others
    if cell[limit].sum() > 0.4 * limit.sum():  # it ran out over red cells in all directions
        return np.asarray(away <= 0.12 * _RED_CELL)
    return cell


def _widened(window: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (
        slice(max(0, side.start - _RED_CELL), min(length, side.stop + _RED_CELL))
        for side, length in zip(window, shape, strict=True)
    )
    return rows, columns
