"""Where a picture lies in the world: from world coordinates to its pixels and patches, and back. No Qt.

A picture is a plane of an image layer, perhaps of a coarser level. Its pixels are counted from the corner of the
upper left one; napari counts data from the *centre* of the upper left pixel, so data = pixels - 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.layers import Layer

    from cytosae_toolkit.explore.heat import Heat

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The plane of a layer that a picture shows.

    Parameters
    ----------
    index : tuple of int
        For each axis of the layer (without colour) the place of the plane; anything at the two axes of the plane.
    axes : (int, int)
        The layer's axes that are down and right in the picture, ascending.
    step : (float, float)
        Height and width of a pixel of the picture in the layer's pixels; above 1 for a coarser level.
    """

    index: tuple[int, ...] = (0, 0)
    axes: tuple[int, int] = (0, 1)
    step: tuple[float, float] = (1.0, 1.0)

    @property
    def ndim(self) -> int:
        """Axes of the layer."""
        return len(self.index)

    def data(self, points: Floats) -> Floats:
        """Return data coordinates of points of the picture.

        Parameters
        ----------
        points : float64 array [..., 2]
            ``y, x`` in the picture's pixels.

        Returns
        -------
        float64 array [..., ndim]
        """
        points = np.asarray(points, dtype=np.float64)
        found = np.empty((*points.shape[:-1], self.ndim))
        found[...] = self.index
        found[..., list(self.axes)] = points * self.step - 0.5
        return found

    def pixels(self, data: Sequence[float] | Floats) -> tuple[float, float] | None:
        """Return ``x, y`` in the picture's pixels of data coordinates [ndim]; None on another plane."""
        data = np.asarray(data, dtype=np.float64)
        away = np.abs(data - self.index)
        away[list(self.axes)] = 0
        if not np.all(away <= 0.5 + 1e-6):
            return None
        y, x = (data[list(self.axes)] + 0.5) / self.step
        return float(x), float(y)

    def rectangle(self, box: Sequence[float]) -> Floats:
        """Return the corners of a box ``x0, y0, x1, y1`` of the picture, float64 [4, ndim], in data coordinates."""
        x0, y0, x1, y1 = box
        return self.data(np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]]))


def picture_point(
    frame: Frame, layer: Layer, position: Sequence[float], units: Sequence[Any] | None = None
) -> tuple[float, float] | None:
    """Return ``x, y`` in the picture's pixels of a place in the world; None where the viewer shows another plane.

    Parameters
    ----------
    frame : Frame
        Of the picture.
    layer : Layer
        Of which it is a plane.
    position : sequence of float
        As a mouse event tells it.
    units : sequence of pint.Unit, optional
        Of `position`, where they may differ from the layer's: those of ``viewer.layers.extent``.
    """
    if len(position) < layer.ndim:
        return None
    own = np.asarray(position, dtype=np.float64)[-layer.ndim :]
    if units is not None:
        own = own * unit_factors(units[-layer.ndim :], layer.units)
    return frame.pixels(np.asarray(layer.world_to_data(own), dtype=np.float64))


def unit_factors(units: Sequence[Any], wanted: Sequence[Any]) -> Floats:
    """Return how many of the wanted units one unit is, per axis, float64 [n]; 1 where they cannot be compared."""
    return np.array([_factor(a, b) for a, b in zip(units, wanted, strict=True)])


def _factor(unit: Any, wanted: Any) -> float:
    if unit == wanted or unit.dimensionality != wanted.dimensionality:
        return 1.0
    return float((1 * unit).to(wanted).magnitude)


@dataclass(frozen=True, eq=False)
class Placement:
    """What lays an image over a picture: arguments of a layer, by the names of its attributes."""

    scale: Floats
    translate: Floats
    rotate: Floats
    shear: Floats
    affine: Floats
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]

    def arguments(self) -> dict[str, Any]:
        """Return all of them."""
        return dict(vars(self))

    def apply(self, layer: Layer) -> None:
        """Give them to a layer, as far as they differ."""
        for name, value in vars(self).items():
            now = getattr(layer, name)
            now = now.affine_matrix if name == "affine" else now
            if isinstance(value, tuple):
                if tuple(now) != value:
                    setattr(layer, name, value)
            elif np.shape(now) != value.shape or not np.allclose(now, value, rtol=1e-12, atol=0):
                setattr(layer, name, value)


def place(
    layer: Layer, frame: Frame, origin: tuple[float, float] = (0.0, 0.0), cell: tuple[float, float] = (1.0, 1.0)
) -> Placement:
    """Return how to lay a map over a picture so that its cells lie where they belong, to the pixel.

    The layer maps data d to the world by A (R H S d + t): scale S, shear H, rotation R, translation t, affine A. Cell
    k of the map is centred at the layer's data C k + c, so the map has the scale S C and the translation R H S c + t;
    the rest is the layer's.

    Parameters
    ----------
    layer : Layer
        Of the picture.
    frame : Frame
        The plane of it that the picture is.
    origin, cell : (float, float)
        ``y, x`` of the upper left corner of the map, height and width of its cells, in the picture's pixels.
    """
    linear = np.asarray(layer.rotate) @ _shear_matrix(layer) @ np.diag(layer.scale)
    stretch = np.ones(frame.ndim)
    stretch[list(frame.axes)] = np.asarray(cell) * frame.step
    corner = frame.data(np.asarray(origin, dtype=np.float64) + np.asarray(cell) / 2)
    return Placement(
        scale=np.asarray(layer.scale, dtype=np.float64) * stretch,
        translate=np.asarray(layer.translate, dtype=np.float64) + linear @ corner,
        rotate=np.asarray(layer.rotate, dtype=np.float64),
        shear=np.asarray(layer.shear, dtype=np.float64),
        affine=np.asarray(layer.affine.affine_matrix, dtype=np.float64),
        units=tuple(layer.units),
        axis_labels=tuple(layer.axis_labels),
    )


def _shear_matrix(layer: Layer) -> Floats:
    """Return the shear of a layer as a matrix; napari tells an upper triangle by its elements."""
    shear = np.asarray(layer.shear, dtype=np.float64)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(layer.ndim)
    if shear.any():
        matrix[np.triu_indices(layer.ndim, 1)] = shear
    return matrix


def place_like(layer: Layer) -> Placement:
    """Return where a layer lies, for another with the same data coordinates."""
    return place(layer, Frame((0,) * layer.ndim, (layer.ndim - 2, layer.ndim - 1)))


def place_heat(layer: Layer, frame: Frame, heat: Heat) -> tuple[NDArray[np.float32], Placement]:
    """Return a heat map as data of a layer with as many axes as the picture's, one of its planes, and its place."""
    shape = np.ones(frame.ndim, dtype=int)
    shape[list(frame.axes)] = heat.values.shape
    return heat.values.reshape(shape), place(layer, frame, heat.origin, heat.cell)
