"""Regions that are drawn over a picture: their layers, and their shapes in the picture's coordinates. No Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._geometry import picture_point, place_like
from napari_cytosae._layer_list import AID, camera_of, screen_pixel

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from napari_cytosae._pixels import Picture

Letter = Literal["A", "B"]
Drawn = tuple[str, list[list[float]]]
"""Kind of a shape, as napari calls it, and its corners."""
LETTERS: tuple[Letter, ...] = ("A", "B")
COLOURS: dict[Letter, str] = {"A": "#882255", "B": "#332288"}
"""Wine and indigo of the muted palette by Paul Tol: dark on a smear, and unlike the colours of the concepts."""
SHAPES = ("polygon", "ellipse", "rectangle")
EDGE = 2.0
"""Width of the outlines in pixels of the screen."""
ANOTHER_WIDTH = 1.25
"""A width that is so many times another is drawn anew while the view is enlarged."""
CORNERS = 64
"""Of the polygon that stands for an ellipse."""
_KEY = "cytosae_region"


def find_region(viewer: ViewerModel, letter: Letter) -> Shapes | None:
    """Return the layer of a region, whatever its name is by now."""
    return next((layer for layer in viewer.layers if layer.metadata.get(_KEY) == letter), None)


def draw_region(viewer: ViewerModel, letter: Letter, shape: str, picture: Picture | None) -> Shapes:
    """Select the layer of a region, made if there is none, ready to draw a shape.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layer.
    letter : str
        ``"A"`` or ``"B"``.
    shape : str
        One of `SHAPES`.
    picture : Picture, optional
        Whose scale, place and units a new layer takes.
    """
    layer = find_region(viewer, letter) or _add_region(viewer, letter, picture)
    viewer.layers.selection.active = layer
    layer.mode = f"add_{shape}"
    return layer


def _add_region(viewer: ViewerModel, letter: Letter, picture: Picture | None) -> Shapes:
    from napari.layers import Shapes

    layer = Shapes(
        name=f"Region {1 + LETTERS.index(letter)}",
        edge_color=COLOURS[letter],
        face_color="transparent",
        opacity=1,
        metadata={_KEY: letter, AID: True},
        **_transform(picture),
    )
    viewer.add_layer(layer)
    _keep_seen(viewer, layer)
    return layer


def regions_drawn(viewer: ViewerModel) -> dict[str, list[Drawn]]:
    """Return the shapes of all regions for JSON, in data coordinates of their layers."""
    layers = {letter: find_region(viewer, letter) for letter in LETTERS}
    return {
        letter: [(kind, np.asarray(data).tolist()) for kind, data in zip(layer.shape_type, layer.data, strict=True)]
        for letter, layer in layers.items()
        if layer is not None and len(layer.data)
    }


def restore_regions(viewer: ViewerModel, regions: Mapping[str, Sequence[Drawn]], picture: Picture) -> None:
    """Draw regions as `regions_drawn` returned them, if none are there; what is selected stays.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    regions : mapping of str to sequence of (str, corners)
        By letter; shapes with another number of axes than the picture's are left out.
    picture : Picture
        Over which they were drawn.
    """
    active = viewer.layers.selection.active
    for letter in LETTERS:
        fitting = [
            (np.asarray(corners, dtype=np.float64), kind)
            for kind, corners in regions.get(letter, ())
            if np.shape(corners)[1:] == (picture.layer.ndim,)
        ]
        if fitting and find_region(viewer, letter) is None:
            _add_region(viewer, letter, picture).add(fitting)
    viewer.layers.selection.active = active


def _transform(picture: Picture | None) -> dict[str, Any]:
    """Return what lays a layer over that of a picture."""
    if picture is None:
        return {"ndim": 2}
    return {"ndim": picture.layer.ndim, **place_like(picture.layer).arguments()}


def _keep_seen(viewer: ViewerModel, layer: Shapes) -> None:
    """Keep the outlines of a region about as wide on the screen at every zoom, as long as it is there."""
    zoomed = camera_of(viewer).events.zoom

    def adapt(event: Any = None) -> None:
        if layer not in viewer.layers:
            zoomed.disconnect(adapt)
            return
        width, before = EDGE * screen_pixel(viewer, layer), layer.current_edge_width
        if event is None or max(width / before, before / width) > ANOTHER_WIDTH:
            layer.current_edge_width = width
            layer.edge_width = [width] * len(layer.data)

    adapt()
    zoomed.connect(adapt)


def outlines(layer: Shapes, picture: Picture) -> list[NDArray[np.float64]]:
    """Return the polygons of a region in a picture, each float64 [n, 2]: row and column, (0, 0) mid first pixel.

    Lines and paths have no inside and are left out, and so is what is drawn on another plane of the picture's layer.
    """
    found = []
    for corners, kind in zip(layer.data, layer.shape_type, strict=True):
        if kind in ("polygon", "rectangle", "ellipse") and len(corners) > 2:
            drawn = np.asarray(corners, dtype=np.float64)
            points = [
                picture_point(picture.frame, picture.layer, layer.data_to_world(corner))
                for corner in (ellipse(drawn) if kind == "ellipse" else drawn)
            ]
            if all(point is not None for point in points):
                found.append(np.array(points, dtype=np.float64)[:, ::-1] - 0.5)
    return found


def ellipse(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a polygon for the ellipse in a (turned) rectangle [4, ndim], float64 [64, ndim]."""
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)[:, None]
    centre = corners.mean(axis=0)
    return np.asarray(
        centre + np.cos(angles) * (corners[1] - corners[0]) / 2 + np.sin(angles) * (corners[3] - corners[0]) / 2
    )


def mask_of(polygons: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a picture whose middle lies in any polygon, bool [H, W].

    Parameters
    ----------
    polygons : sequence of float64 array [n, 2]
        Row and column in data coordinates: the middle of the first pixel is (0, 0).
    shape : (int, int)
        Height and width of the picture.
    """
    from skimage import draw

    polygon: Any = draw.polygon
    mask = np.zeros(shape, dtype=bool)
    for corners in polygons:
        mask[polygon(corners[:, 0], corners[:, 1], shape)] = True
    return mask
