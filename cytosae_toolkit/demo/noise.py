"""Smooth periodic noise that can be sampled at any point, so that texture moves with the cell."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_TILE = 256
_GRAIN = 4.0


@cache
def _tile() -> Floats:
    """Return the one noise tile: float32 [256, 256], periodic, zero mean, unit variance."""
    white = np.random.default_rng(20_240_229).standard_normal((_TILE, _TILE))
    smooth = scipy.ndimage.gaussian_filter(white, _GRAIN / 2, mode="wrap")
    smooth -= smooth.mean()
    return np.asarray(smooth / smooth.std(), dtype=np.float32)


def smooth_noise(x: Floats, y: Floats, grain: float, offset: tuple[float, float]) -> Floats:
    """Sample zero-mean, unit-variance noise at points.

    Parameters
    ----------
    x, y : float32 array, any shape
        Points in µm.
    grain : float
        Size of the noise's blobs in µm.
    offset : (float, float)
        Where on the endless noise plane this texture lies; two offsets give two textures.

    Returns
    -------
    float32 array
        Noise values, same shape as `x`.
    """
    u = x * np.float32(_GRAIN / grain) + np.float32(offset[0])
    v = y * np.float32(_GRAIN / grain) + np.float32(offset[1])
    floor_u, floor_v = np.floor(u), np.floor(v)
    u, v = u - floor_u, v - floor_v
    i, j = floor_v.astype(np.int32) % _TILE, floor_u.astype(np.int32) % _TILE
    below, right, tile = (i + 1) % _TILE, (j + 1) % _TILE, _tile()
    top = tile[i, j] * (1 - u) + tile[i, right] * u
    bottom = tile[below, j] * (1 - u) + tile[below, right] * u
    return np.asarray(top * (1 - v) + bottom * v, dtype=np.float32)


def random_offset(rng: np.random.Generator) -> tuple[float, float]:
    """Draw a place on the noise plane."""
    u, v = rng.uniform(0, _TILE, 2)
    return float(u), float(v)
