"""Colour deconvolution of blood smears (Romanowsky stains): from pixels to amounts of stain.

By Beer-Lambert each stain adds to the optical density, so two stains are separated by a linear map (Ruifrok &
Johnston, Anal. Quant. Cytol. Histol. 23, 2001). All densities are relative to the empty background of the same
picture, which takes white balance, lamp and coloured backgrounds out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy import ndimage

from cytosae_toolkit.images.pixels import RGB
from cytosae_toolkit.progress import no_step

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

CHROMATIN_FILTER = np.array([1.0, 1.0, -1.0], dtype=np.float32)
"""Least-squares amount of chromatin stain (azure B-eosin Y, absorbs red and green) beside haemoglobin and eosin
(absorb green and blue), rounded: the pseudo-inverse of (.55, .80, .20) and (.10, .68, .72) is (1.1, .7, -.8)."""

_COARSE = 4  # backgrounds vary slowly: they are computed at a quarter of the size
_STEP = 16  # rows, at that size
_DARK = 5.0  # grey levels added to both sides, so that noise in black pixels does not become density


def background_colour(image: RGB) -> Floats:
    """Return the colour of the empty background of a small picture.

    Nuclei and red cells both absorb green: the background is the median colour of the 15 % of the pixels that are
    brightest in green.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    float32 array [3]
        Grey levels, 0 to 255.
    """
    green = image[:, :, 1]
    bright = green >= np.percentile(green, 85)
    return np.asarray(np.median(image[bright], axis=0), dtype=np.float32)


def local_background(image: RGB, window: float, on_step: Callable[[], object] = no_step) -> Floats:
    """Return the background of a field at every pixel, which follows uneven lighting.

    The 85th percentile of each channel in a square window, smoothed; computed at a quarter of the size.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
    window : float
        Side of the window in pixels, several cells wide so that some of it is empty.
    on_step : callable
        Called again and again meanwhile; may end the work by raising.

    Returns
    -------
    float32 array [H, W, 3]
    """
    coarse = np.asarray(Image.fromarray(image).reduce(_COARSE), dtype=np.float32)
    side = int(window / _COARSE) | 1
    channels = [_smooth(_percentile(coarse[:, :, c], 85, side, on_step), side) for c in range(3)]
    return np.stack([_enlarged(channel, image.shape[:2]) for channel in channels], axis=2)


def above_surroundings(values: Floats, window: float, on_step: Callable[[], object] = no_step) -> Floats:
    """Subtract the smoothed median of a square window of `window` pixels from an image [H, W].

    `on_step` is called again and again meanwhile; it may end the work by raising.
    """
    side = int(window / _COARSE) | 1
    median = _percentile(values[::_COARSE, ::_COARSE], 50, side, on_step)
    return values - _enlarged(_smooth(median, side), values.shape)


def _percentile(values: Floats, percentile: int, side: int, on_step: Callable[[], object]) -> Floats:
    """Return a percentile of the square about each place, as `scipy.ndimage.percentile_filter`, but row by row."""
    rank, found = int(side * side * percentile / 100), np.empty(values.shape, dtype=np.float32)
    padded = np.pad(values, side // 2, mode="edge")
    for row in range(len(values)):
        squares = sliding_window_view(padded[row : row + side], side, axis=1)
        sorted_about = np.ascontiguousarray(squares.transpose(1, 0, 2), dtype=np.float32).reshape(-1, side * side)
        sorted_about.partition(rank, axis=1)
        found[row] = sorted_about[:, rank]
        if row % _STEP == 0:
            on_step()
    return found


def _smooth(values: Floats, side: int) -> Floats:
    return np.asarray(ndimage.gaussian_filter(values, side / 4, mode="nearest"))


def _enlarged(values: Floats, shape: tuple[int, ...]) -> Floats:
    resized = Image.fromarray(values).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def optical_density(image: RGB | Floats, background: Floats) -> Floats:
    """Return the optical density of each channel relative to the background.

    Parameters
    ----------
    image : uint8 or float32 array [H, W, 3]
    background : float32 array [3] or [H, W, 3]
        Grey levels of an empty place.

    Returns
    -------
    float32 array [H, W, 3]
        Natural logarithm of background over pixel; 0 is empty, negative is brighter than the background.
    """
    density = np.log((background + _DARK) / (image.astype(np.float32) + _DARK))
    return np.asarray(density, dtype=np.float32)


def chromatin(density: Floats) -> Floats:
    """Return the amount of chromatin stain: high in nuclei and platelets, about 0 in red cells and background.

    Parameters
    ----------
    density : float32 array [H, W, 3]
        As `optical_density` returns it.

    Returns
    -------
    float32 array [H, W]
    """
    return np.asarray(density @ CHROMATIN_FILTER, dtype=np.float32)


def haemoglobin(density: Floats) -> Floats:
    """Return the yellow part of the density, float32 [H, W]: high in red cells, low in nuclei and blue cytoplasm."""
    return np.asarray(density[:, :, 2] - 0.3 * np.maximum(density[:, :, 0], 0), dtype=np.float32)
