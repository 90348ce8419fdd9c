"""Boxes outlined over a picture by lines as wide on the screen at every zoom. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._geometry import Frame, place_like
from napari_cytosae._layer_list import AID, insert_above, screen_pixel

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Vectors

    from napari_cytosae._pixels import Picture

Box = tuple[float, float, float, float]
"""``x0, y0, x1, y1`` in the picture's pixels."""
THINNEST = 2.0
"""Least width of outlines in pixels of the screen, where boxes are large enough."""


def insert_outlines(
    viewer: ViewerModel, picture: Picture, sides: NDArray[np.floating], name: str, **look: Any
) -> Vectors:
    """Insert a layer of lines over a picture, above everything else, and return it.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Where.
    picture : Picture
        Whose place the layer takes.
    sides : float array [n, 2, ndim]
        As `sides_of_boxes` returns them.
    name : str
        Of the layer.
    **look
        Such as ``edge_color``.
    """
    from napari.layers import Vectors

    layer = Vectors(
        sides, vector_style="line", opacity=1, blending="translucent_no_depth", name=name, metadata={AID: True},
        **look, **place_like(picture.layer).arguments(),
    )  # fmt: skip
    insert_above(viewer, picture.layer, layer, len(viewer.layers))
    return layer


def line_width(viewer: ViewerModel, picture: Picture, boxes: Sequence[Box], least: float, most: float) -> float:
    """Return how wide lines are drawn at this zoom, in data units of the picture's layer.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Whose zoom.
    picture : Picture
        Over which.
    boxes : sequence of (x0, y0, x1, y1)
        At least one, in the picture's pixels.
    least, most : float
        In sides of the smallest box; `least` gives way to `THINNEST`, that gives way to `most`.
    """
    side = min(min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes) * min(picture.frame.step)
    seen = THINNEST * screen_pixel(viewer, picture.layer, picture.frame.axes)
    return float(min(max(least * side, seen), most * side))


def sides_of_boxes(frame: Frame, boxes: Sequence[Sequence[float]], width: float) -> NDArray[np.float64]:
    """Return the sides of boxes one after the other, float64 [4 * n, 2, ndim]; see `sides_of`."""
    return np.concatenate([sides_of(frame, box, width) for box in boxes])


def sides_of(frame: Frame, box: Sequence[float], width: float) -> NDArray[np.float64]:
    """Return the sides of a box as lines that together cover its outline once.

    Parameters
    ----------
    frame : Frame
        Of the picture.
    box : (float, float, float, float)
        ``x0, y0, x1, y1`` in the picture's pixels.
    width : float
        Of the lines, in data coordinates.

    Returns
    -------
    float64 array [4, 2, ndim]
        Start and extent in data coordinates: upper, lower, left, right; the first two reach to the outer corners.
    """
    corners = frame.rectangle(box)
    start, end = corners[[0, 3, 0, 1]], corners[[1, 2, 3, 2]]
    along = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
    longer = along * np.array([[1], [1], [-1], [-1]]) * width / 2
    return np.stack([start - longer, end - start + 2 * longer], axis=1)
