"""Diameter of the red cells of a smear field in pixels: the ruler where no scale is recorded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from cytosae_toolkit.images.pixels import RGB
from cytosae_toolkit.images.staining import Floats

RED_CELL_UM = 7.5
"""Mean diameter of a human red cell on a smear, in µm."""

_EDGE = 480  # pixels of the longer side at which circles are sought
_RADII = np.geomspace(6, 75, 28)
_CONTRAST = 1.3  # an edge is steeper than this many times the mean steepness around it

Edges = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


class RedCellSize(NamedTuple):
    """An estimate of the red cells' size.

    Attributes
    ----------
    diameter : float
        Pixels.
    certainty : float
        How much better the edges meet at this size than at the median of all sizes; 2 and more in fields full of
        red cells, about 1 without any circle, 0 where the best size is the smallest or largest tried.
    """

    diameter: float
    certainty: float

    @property
    def is_certain(self) -> bool:
        """Whether there are enough red cells to rely on it."""
        return self.certainty >= 1.5


def estimate_red_cells(image: RGB) -> RedCellSize:
    """Estimate the diameter of the red cells of a field.

    A circular Hough transform with gradient direction (Kimme, Ballard & Sklansky, Comm. ACM 18, 1975): every edge
    votes for a centre one radius away on its darker side; at the radius of the red cells the votes meet. It needs
    arcs only, so overlapping and pale-centred red cells count. Sizes from 1/40 to 1/3 of the longer side are tried.

    Parameters
    ----------
    image : uint8 array [H, W, 3]

    Returns
    -------
    RedCellSize
        Meaningful only where red cells are the most frequent objects.
    """
    height, width = image.shape[:2]
    factor = max(1.0, max(height, width) / _EDGE)
    size = max(2, round(width / factor)), max(2, round(height / factor))
    green = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX), dtype=np.float32)[:, :, 1]
    edges = _edges(np.log(green + 10))
    focus = [_focus(edges, (green.shape[0], green.shape[1]), float(radius)) for radius in _RADII]
    best = int(np.argmax(focus))
    usual = float(np.median(focus))
    meets = 0 < best < len(_RADII) - 1 and usual > 0  # noise meets best at the smallest size
    return RedCellSize(float(2 * factor * _RADII[best]), focus[best] / usual if meets else 0.0)


def _edges(brightness: Floats) -> Edges:
    """Return row, column and unit direction (towards brighter) of the pixels on edges."""
    dy, dx = np.gradient(ndimage.gaussian_filter(brightness, 1.2))
    steepness = np.hypot(dy, dx)
    mean_square = ndimage.uniform_filter(steepness**2, 41)  # beside steep places sums in float32 fall below 0
    around = np.sqrt(np.maximum(mean_square, 0)) + 1e-6
    y, x = np.nonzero(steepness > _CONTRAST * around)
    steep = steepness[y, x]
    return y.astype(float), x.astype(float), dy[y, x] / steep, dx[y, x] / steep


def _focus(edges: Edges, shape: tuple[int, int], radius: float) -> float:
    """Return how sharply the votes for one radius meet: mean square of the share of a circle above chance."""
    y, x, to_y, to_x = edges
    row, column = np.rint(y - radius * to_y).astype(int), np.rint(x - radius * to_x).astype(int)
    inside = (row >= 0) & (column >= 0) & (row < shape[0]) & (column < shape[1])
    votes = np.bincount(row[inside] * shape[1] + column[inside], minlength=shape[0] * shape[1])
    blur = max(1.0, 0.15 * radius)
    window = 2 * np.pi * blur**2
    met = ndimage.gaussian_filter(votes.reshape(shape).astype(np.float32), blur) * window
    by_chance = len(y) / votes.size * window
    return float(np.mean((np.maximum(met - by_chance, 0) / (2 * np.pi * radius)) ** 2))
