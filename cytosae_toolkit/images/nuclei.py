"""The nuclei of white cells: chromatin of which one bump stands out, cut apart by watershed, lobes joined.

All sizes are multiples of a red cell, which measures `RED_CELL` pixels at the scale of the search. The chromatin of a
white cell, smoothed over a quarter of a red cell, is one bump whatever the lobes; platelets and debris are too small
for one, red cells hold no chromatin.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from cytosae_toolkit.images.staining import Bools, Floats

RED_CELL = 24
"""Pixels of a red cell at the scale of the search."""
_RED_CELL_AREA = np.pi / 4 * RED_CELL**2
_MIN_CONTRAST = 0.3  # smoothed density of chromatin above its surroundings; platelets and stain dust reach 0.2
_MIN_NUCLEUS, _MIN_NUCLEUS_AT_BORDER = 0.3, 0.12  # areas in red cells; a platelet has 0.1
_LOBE = 0.7  # a piece of chromatin smaller than this may be a lobe, in red cells; lymphocytes have 0.8 and more
_RED_TO_GREEN = 0.25  # of absorbance: chromatin has 0.4 or more, red cells have hardly any
_FAINT, _FAINT_RED_TO_GREEN = 1.5, 2.0  # of scores; so faint, nuclei have up to 1.2, greenish red cells 3 and more

Labels = npt.NDArray[np.int32]


def contrast_of(density: Floats, bumps: Floats) -> float:
    """Return the height from which a bump of chromatin is a nucleus.

    It follows the picture: red cells dense in green have some chromatin colour too, and beside well-stained nuclei
    what is a third as high is none.

    Parameters
    ----------
    density : float32 array [h, w, 3]
        Optical density.
    bumps : float32 array [h, w]
        Chromatin above its surroundings, smoothed over a quarter of a red cell.
    """
    green = density[:, :, 1]
    if np.ptp(green) == 0:
        return _MIN_CONTRAST
    cells = float(np.median(green[green > threshold_otsu(green, 64)]))  # type: ignore[no-untyped-call]
    return max(_MIN_CONTRAST, 0.4 * cells, 0.3 * float(bumps.max()))


def find_nuclei(stain: Floats, bumps: Floats, threshold: float, on_step: Callable[[], object]) -> Labels:
    """Label the chromatin of each bump: what is 0.6 times as dense as its densest part; lobes of a nucleus are joined.

    Parameters
    ----------
    stain : float32 array [h, w]
        Chromatin above its surroundings.
    bumps : float32 array [h, w]
        The same, smoothed over a quarter of a red cell.
    threshold : float
        Height from which a bump is one; see `contrast_of`.
    on_step : callable
        Called between two steps of the search.

    Returns
    -------
    int32 array [h, w]
        Labels from 1, 0 elsewhere; some labels may be gone.
    """
    peaks = (bumps == ndimage.maximum_filter(bumps, RED_CELL // 2 | 1)) & (bumps > threshold)
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
            near = ndimage.distance_transform_edt(~basin | (seeds[window] != label)) < 1.3 * RED_CELL
            nuclei[window][core & near] = label
    return _joined_lobes(nuclei, on_step)


def _joined_peaks(bumps: Floats, y: npt.NDArray[np.intp], x: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """Give one label, from 1, to peaks of one nucleus: near each other, or without a valley between them."""
    height = bumps[y, x]
    labels = np.arange(1, len(y) + 1, dtype=np.int32)
    for i in range(len(y)):
        for j in range(i):
            apart = float(np.hypot(y[i] - y[j], x[i] - x[j]))
            if apart > 1.3 * RED_CELL or labels[i] == labels[j]:
                continue
            rows = np.rint(np.linspace(y[i], y[j], int(apart) + 2)).astype(int)
            columns = np.rint(np.linspace(x[i], x[j], int(apart) + 2)).astype(int)
            valley = float(bumps[rows, columns].min())
            if apart < 0.7 * RED_CELL or valley > 0.7 * min(height[i], height[j]):
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
        if gap[nearest] < 0.6 * RED_CELL and _width(piece | (result == other)) < 2.2 * RED_CELL:
            result[piece] = other
    return result


def _width(mask: Bools) -> float:
    y, x = np.nonzero(mask)
    return float(np.hypot(np.ptp(y), np.ptp(x)))


def is_nucleus(piece: Bools, density: Floats, score: float, at_border: bool) -> bool:
    """Say whether a piece has the size and the colour of a nucleus.

    Red cells hold no red-absorbing stain; where the picture makes them greenish they absorb red but hardly green, which
    only dense chromatin does.

    Parameters
    ----------
    piece : bool array [h, w]
        Of the labels of `find_nuclei`.
    density : float32 array [h, w, 3]
        Optical density there.
    score : float
        Height of its bump, divided by the threshold.
    at_border : bool
        Whether the picture ends beside it: then it may be smaller.
    """
    least = _MIN_NUCLEUS_AT_BORDER if at_border else _MIN_NUCLEUS
    if piece.sum() < least * _RED_CELL_AREA:
        return False
    red, green = np.median(density[piece][:, :2], axis=0)
    most = _FAINT_RED_TO_GREEN if score < _FAINT else np.inf
    return bool(_RED_TO_GREEN * green < red and (green <= 0 or red < most * green))
