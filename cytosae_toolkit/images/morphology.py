"""Size of nucleus and cell in a picture of one white cell, and the moments of its colours.

These are covariates, measured in milliseconds, that say whether a latent merely follows size or stain. They are no
replacement for a segmentation model: see `measure_cell` for what they reach on annotated cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import convex_hull_image
from skimage.segmentation import watershed

from cytosae_toolkit.images.pixels import RGB
from cytosae_toolkit.images.staining import (
    Bools,
    Floats,
    background_colour,
    chromatin,
    haemoglobin,
    optical_density,
)

Labels = npt.NDArray[np.int32]

_EDGE = 96  # pixels of the longer side at which cells are measured
_MIN_CHROMATIN = 0.2  # a nucleus stands out from the background by at least this density
_NUCLEUS, _ELSEWHERE = 1, 2  # markers of the watershed; red cells follow


class CellMeasures(NamedTuple):
    """What `measure_cell` found; all NaN where there is no plausible nucleus.

    Attributes
    ----------
    nuclear_area : float
        Area of the nucleus as a share of the picture, 0 to 1.
    nc_ratio : float
        Nucleus-to-cell ratio: area of the nucleus / area of the whole cell, 0 to 1 (the N:C ratio of the Paris
        System). The ratio to the cytoplasm alone is nc_ratio / (1 - nc_ratio); it is not used because it has no
        bound for cells with little cytoplasm.
    cell_size : float
        Area of the whole cell as a share of the picture, 0 to 1.
    """

    nuclear_area: float
    nc_ratio: float
    cell_size: float


UNKNOWN = CellMeasures(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class CellMasks:
    """Nucleus and whole cell (nucleus included) as bool [h, w], in the pixels of the shrunken picture."""

    nucleus: Bools
    cell: Bools


def measure_cell(image: RGB) -> CellMeasures:
    """Measure nucleus and cell in a picture of one white cell about the centre, red cells around it.

    Colour deconvolution gives the chromatin, a threshold the nucleus with all its lobes, a watershed from the
    nucleus against the red cells around it the cell. A picture is first shrunk to 96 pixels. Thread-safe.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    CellMeasures
        Shares of the picture's area; NaN where nothing plausible is found.
    """
    masks = cell_masks(image)
    if masks is None:
        return UNKNOWN
    nucleus, cell = float(masks.nucleus.mean()), float(masks.cell.mean())
    return CellMeasures(nucleus, nucleus / cell, cell)


def cell_masks(image: RGB) -> CellMasks | None:
    """Return nucleus and cell at the size of `shrunk` (image), or None where nothing plausible is found."""
    small = shrunk(image)
    if min(small.shape[:2]) < 8:
        return None
    density = optical_density(small, background_colour(small))
    density = ndimage.uniform_filter(density, (3, 3, 0))
    stain = chromatin(density)
    level = chromatin_threshold(stain)
    if not level > _MIN_CHROMATIN:
        return None
    pieces, n = ndimage.label(ndimage.binary_opening(stain > level), np.ones((3, 3)))
    if n == 0:
        return None
    nucleus, others = _central_nucleus(pieces, n)
    return CellMasks(nucleus, grow_cell(density, nucleus, others))


def shrunk(image: RGB) -> RGB:
    """Average a picture down to 96 pixels on its longer side; smaller ones are returned as they are."""
    height, width = image.shape[:2]
    factor = max(height, width) / _EDGE
    if factor <= 1:
        return image
    size = max(1, round(width / factor)), max(1, round(height / factor))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def chromatin_threshold(stain: Floats) -> float:
    """Return the level between nucleus and the rest: the median of three rules that fail on different cells.

    Half the level of the darkest nucleus (97th percentile), Otsu's threshold of the picture, and Otsu's threshold
    of what is stained at all; the second loses small nuclei, the third large ones.
    """
    top = float(np.percentile(stain, 97))
    stained = stain[stain > 0.1 * top]
    if top <= 0 or np.ptp(stained) == 0:
        return 0.0
    return float(np.median([0.5 * top, threshold_otsu(stain, 64), threshold_otsu(stained, 64)]))  # type: ignore[no-untyped-call]


def _central_nucleus(pieces: Labels, n: int) -> tuple[Bools, Bools]:
    """Return the lobes of the nucleus nearest to the centre, and all other pieces of chromatin."""
    area = np.bincount(pieces.ravel(), minlength=n + 1)
    weight = np.bincount(pieces.ravel(), _centrality(pieces.shape).ravel(), n + 1)
    weight[0] = 0
    anchor = int(weight.argmax())
    radius = np.sqrt(area[anchor] / np.pi)
    gap = ndimage.minimum(_distance(pieces != anchor), pieces, np.arange(n + 1))
    at_border = np.zeros(n + 1, dtype=bool)
    at_border[np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])] = True
    reach = np.where(at_border, 0.5 * radius, 2.0 * radius)
    lobe = (gap <= np.maximum(3, reach)) & (area >= 0.03 * area[anchor]) & (area > 4)
    lobe[0], lobe[anchor] = False, True
    return ndimage.binary_fill_holes(lobe[pieces]), (pieces > 0) & ~lobe[pieces]


def _centrality(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return a Gaussian about the centre whose standard deviation is a fifth of each side."""
    y, x = (np.exp(-((((np.arange(n) + 0.5) / n - 0.5) / 0.2) ** 2) / 2) for n in shape)
    return np.asarray(np.outer(y, x))


def grow_cell(density: Floats, nucleus: Bools, others: Bools, reach: float | None = None) -> Bools:
    """Grow a nucleus to its cell: over what is stained, up to the red cells and other nuclei around it.

    Parameters
    ----------
    density : float32 array [h, w, 3]
        Optical density of a surrounding of a few cells.
    nucleus, others : bool array [h, w]
        The nucleus with its lobes, which is not empty, and nuclei of other cells.
    reach : float, optional
        How far the cell may go beyond the convex hull of the nucleus, in pixels; by default the radius of a disk
        of the nucleus' area.

    Returns
    -------
    bool array [h, w]
        The cell with its nucleus, in one piece.
    """
    strength = np.maximum(density.max(axis=2), 0)
    radius = float(np.sqrt(nucleus.sum() / np.pi))
    away = _distance(~_convex_hull(nucleus))
    pale = np.clip(strength, 0, 0.3 * float(np.median(strength[nucleus])))  # cytoplasm against background
    stained = (strength > threshold_otsu(pale, 64)) | nucleus  # type: ignore[no-untyped-call]
    red = _red_cells(density, stained & ~others, nucleus, away, radius)
    depth = _depth(stained)
    peaks = ((_is_peak(depth) & stained) | _is_peak(_depth(red))) & (away > 0.5 * radius)
    if _are_apart(red, stained & ~nucleus, away, radius):
        stained &= ~(red & (away > 0.1 * radius))
    markers = ndimage.label(ndimage.binary_dilation(peaks) & stained & ~nucleus)[0]
    markers[markers > 0] += _ELSEWHERE
    markers[others] = _ELSEWHERE
    markers[nucleus] = _NUCLEUS
    land = away / radius - 2 * depth / max(float(depth.max()), 1.0)
    regions = watershed(land, markers, mask=stained)  # type: ignore[no-untyped-call]
    grown = (regions == _NUCLEUS) & (away < (radius + 2 if reach is None else reach))
    return _one_piece(opened(ndimage.binary_fill_holes(grown | nucleus), 0.3 * radius), nucleus)


def _distance(mask: Bools) -> npt.NDArray[np.float64]:
    """Return the distance of each pixel of a mask to the nearest one outside."""
    if mask.all():
        return np.asarray(ndimage.distance_transform_edt(mask))
    from cytosae_toolkit.images.distances import distance_inside

    return distance_inside(mask)


def _convex_hull(mask: Bools) -> Bools:
    """Return the convex hull of a mask that is not empty; only its surroundings are looked at."""
    sides = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = tuple(slice(found[0], found[-1] + 1) for found in sides)
    hull = np.zeros_like(mask)
    hull[box] = convex_hull_image(mask[box])  # type: ignore[no-untyped-call]
    return hull


def _red_cells(density: Floats, stained: Bools, nucleus: Bools, away: npt.NDArray[np.float64], radius: float) -> Bools:
    """Return what has the colour of the solid red cells away from the nucleus."""
    yellow = haemoglobin(density)
    elsewhere = stained & (away > 0.8 * radius)
    if elsewhere.sum() <= 20:
        return np.zeros_like(nucleus)
    typical = float(np.percentile(yellow[elsewhere], 75))
    if typical <= 0.1:
        return np.zeros_like(nucleus)
    return opened(stained & ~nucleus & (yellow > 0.7 * typical) & (yellow < 1.3 * typical), 0.2 * radius)


def _are_apart(red: Bools, stained: Bools, away: npt.NDArray[np.float64], radius: float) -> bool:
    """Say whether `red` are red cells around, and not cytoplasm full of eosinophilic granules."""
    rim, outside = stained & (away < 0.3 * radius), away > radius
    return bool(red[rim].sum() < 0.75 * rim.sum() and red[outside].sum() > 0.08 * outside.sum())


def _depth(mask: Bools) -> npt.NDArray[np.float64]:
    """Return the smoothed distance to the outside of a mask, which is taken to go on beyond the picture."""
    inside = _distance(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    return np.asarray(ndimage.gaussian_filter(inside, 1.0))


def _is_peak(depth: npt.NDArray[np.float64]) -> Bools:
    return np.asarray((depth == ndimage.maximum_filter(depth, 7)) & (depth > 2.5))


def opened(mask: Bools, radius: float) -> Bools:
    """Open a mask [h, w] with a disk of `radius` pixels (1 at least); it goes on beyond the picture."""
    radius = max(1.0, radius)
    pad = int(radius) + 2
    core = _distance(np.pad(mask, pad, mode="edge")) > radius
    back = _distance(~core) <= radius
    return np.asarray(back[pad:-pad, pad:-pad] & core.any())


def _one_piece(mask: Bools, nucleus: Bools) -> Bools:
    """Return the piece that holds most of the nucleus, with the nucleus and without holes."""
    pieces, n = ndimage.label(mask)
    share = np.bincount(pieces[nucleus], minlength=n + 1)
    share[0] = 0
    body = (pieces == share.argmax()) & mask
    return np.asarray(ndimage.binary_fill_holes(body | nucleus))


def colour_moments(image: RGB) -> Floats:
    """Return mean, standard deviation and skewness of each channel.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    float32 array [9]
        Means of R, G, B (0 to 1), their standard deviations, and the signed cube roots of their third central
        moments (Stricker & Orengo, SPIE 2420, 1995): all on the scale of the pixels.
    """
    counts = np.stack([np.bincount(image[:, :, c].ravel(), minlength=256) for c in range(3)])
    shares = counts / counts.sum(axis=1, keepdims=True)
    levels = np.arange(256) / 255
    mean = shares @ levels
    centred = levels - mean[:, None]
    deviation = np.sqrt((shares * centred**2).sum(axis=1))
    skewness = np.cbrt((shares * centred**3).sum(axis=1))
    return np.concatenate([mean, deviation, skewness]).astype(np.float32)
