"""Activation of patches as pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.figures.style import alpha_ramp


def upsample(heatmap: NDArray[np.floating], boxes: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the activation of each pixel: that of its patch.

    Parameters
    ----------
    heatmap : float array [rows, columns] or [patches]
        Activation of each patch.
    boxes : float64 array [patches, 4]
        ``x0, y0, x1, y1`` of each patch in pixels, row-major.
    shape : tuple of int
        Height and width of the image; more is ignored.

    Returns
    -------
    float64 array [H, W]
        0 where no patch is.
    """
    pixels = np.zeros(shape[:2])
    for value, (x0, y0, x1, y1) in zip(np.ravel(heatmap), np.rint(boxes).astype(int), strict=True):
        pixels[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = value
    return pixels


def tint(image: NDArray[np.uint8], heatmap: NDArray[np.floating], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return an image in light grey with its active patches in orange, which stands out from every stain.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        RGB.
    heatmap : float array [rows, columns] or [patches]
        0 (silent) to 1; opacity grows with the square root, so that weak patches are seen.
    boxes : float64 array [patches, 4]
        As in `upsample`.

    Returns
    -------
    uint8 array [H, W, 3]
        Grey where the latent is silent.
    """
    weight = np.sqrt(np.clip(upsample(heatmap, boxes, image.shape), 0, 1))
    colours = np.asarray(alpha_ramp()(weight))
    grey = 70 + 0.7 * image.mean(axis=2, keepdims=True)
    opacity = colours[..., 3:]
    return np.asarray(np.rint(opacity * 255 * colours[..., :3] + (1 - opacity) * grey), dtype=np.uint8)
