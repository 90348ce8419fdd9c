"""What the viewer shows of a picture, without what lies around it, at the screen's resolution or the picture's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._geometry import unit_factors
from napari_cytosae._layer_list import without_aids

if TYPE_CHECKING:
    from napari_cytosae._pixels import Picture

MOST_SIDE = 8192
"""Longer side of what is saved at most, pixels: what graphics cards draw at once."""
LEAST_SIDE = 8
"""A piece of the picture with a smaller side, in pixels of the screen, is taken for none."""
SEEN_WHOLE = 1.0
"""A picture of which no more than this lies outside the view is seen whole, pixels of the screen."""


@dataclass(frozen=True, eq=False)
class Shot:
    """What was photographed.

    Parameters
    ----------
    image : uint8 array [H, W, 4]
        As shown, without what helps on the screen: outlines of patches and cells, regions, the line across a red cell.
    reduced : float
        Share of the pixels asked for that a side has; 1 unless that would have been too many.
    cut : bool
        Whether the view cuts the picture.
    """

    image: NDArray[np.uint8]
    reduced: float = 1.0
    cut: bool = False


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of the viewer's world, along the axes that are down and right.

    Parameters
    ----------
    low, high : (float, float)
        ``y, x`` of its corners.
    """

    low: tuple[float, float]
    high: tuple[float, float]

    @property
    def size(self) -> tuple[float, float]:
        """Height and width."""
        return self.high[0] - self.low[0], self.high[1] - self.low[1]

    def overlap(self, other: Rectangle) -> Rectangle:
        """Return what both hold; its size is not positive where that is nothing."""
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        return Rectangle((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))


def photograph(viewer: Any, picture: Picture | None, enlarged: float | None, ratio: float = 1.0) -> Shot:
    """Return what the viewer shows of a picture; all that it shows where no picture is seen.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window.
    picture : Picture, optional
        Around which is cut off. One that is turned keeps the corners about it.
    enlarged : float, optional
        Pixels of the result for one of the picture; by default those of the screen.
    ratio : float
        Pixels of the screen in one of its window system.
    """
    with without_aids(viewer):
        return _photograph(viewer, picture, enlarged, ratio)


def _photograph(viewer: Any, picture: Picture | None, enlarged: float | None, ratio: float) -> Shot:
    screen = np.asarray(viewer.screenshot(canvas_only=True, flash=False))
    if picture is None or not _is_plane(viewer):
        return Shot(screen)
    camera = viewer.scene.camera
    per_unit = camera.zoom * ratio
    view = _view(camera, screen.shape, per_unit)
    whole = extent_of(viewer, picture)
    seen = whole.overlap(view)
    if min(seen.size) * per_unit < LEAST_SIDE:
        return Shot(screen)
    cut = bool(np.any(np.subtract(whole.size, seen.size) * per_unit > SEEN_WHOLE))
    if enlarged is None:
        (top, left), (bottom, right) = (
            np.rint((np.asarray(corner) - view.low) * per_unit).astype(int) for corner in (seen.low, seen.high)
        )
        return Shot(screen[top:bottom, left:right], cut=cut)
    wanted = enlarged / pixel_of(viewer, picture)
    reduced = min(1.0, MOST_SIDE / (max(seen.size) * wanted))
    return Shot(_drawn(viewer, seen, wanted * reduced, ratio), reduced, cut)


def _drawn(viewer: Any, part: Rectangle, per_unit: float, ratio: float) -> NDArray[np.uint8]:
    """Return a part of the world, drawn anew with so many pixels a unit; the camera is put back."""
    camera = viewer.scene.camera
    center, zoom = camera.center, camera.zoom
    size = [max(1, round(side * per_unit)) for side in part.size]
    try:
        camera.center = tuple(np.add(part.low, part.high) / 2)
        camera.zoom = per_unit / ratio
        return np.asarray(viewer.screenshot(size=size, canvas_only=True, flash=False))
    finally:
        camera.center, camera.zoom = center, zoom


def _is_plane(viewer: Any) -> bool:
    return viewer.dims.ndisplay == 2 and not viewer.canvas.grid.enabled


def _view(camera: Any, shape: tuple[int, ...], per_unit: float) -> Rectangle:
    """Return what the canvas shows."""
    (y, x), (height, width) = camera.center[-2:], (side / per_unit for side in shape[:2])
    return Rectangle((y - height / 2, x - width / 2), (y + height / 2, x + width / 2))


def extent_of(viewer: Any, picture: Picture) -> Rectangle:
    """Return the rectangle about a picture, in the viewer's world."""
    height, width = picture.field.shape[:2]
    corners = _to_world(viewer, picture, picture.frame.rectangle((0, 0, width, height)))
    (top, left), (bottom, right) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Rectangle((top, left), (bottom, right))


def pixel_of(viewer: Any, picture: Picture) -> float:
    """Return the shorter side of a pixel of a picture, in the viewer's world."""
    origin, right, _, down = _to_world(viewer, picture, picture.frame.rectangle((0, 0, 1, 1)))
    return float(min(np.linalg.norm(right - origin), np.linalg.norm(down - origin)))


def _to_world(viewer: Any, picture: Picture, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places of a layer in the plane that the viewer shows, float64 [n, 2]."""
    layer = picture.layer
    world = np.array([layer.data_to_world(point) for point in points], dtype=np.float64)
    units = getattr(viewer.layers.extent, "units", None)
    if units is not None:
        world = world * unit_factors(layer.units, units[-layer.ndim :])
    return world[:, list(picture.frame.axes)]
