"""Layers whose three or four planes may be colours: nothing in them tells a stack from a picture in colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from napari.layers import Image

COLOURS = (3, 4)
"""Planes of RGB and RGBA."""
CHANNEL = frozenset({"c", "ch", "channel", "channels", "s", "rgb", "rgba", "colour", "color"})
"""How axes of colours are called."""
_PLANES = "cytosae_planes"


class UnclearColours(CytosaeError):
    """It must be said whether the planes of a layer are colours.

    Parameters
    ----------
    layer : Image
        Which.
    """

    def __init__(self, layer: Image) -> None:
        n = _first(layer).shape[colour_axis(layer) or 0]
        super().__init__(
            f"The image “{layer.name}” has {n} planes: the colours of one picture, or a stack of {n} pictures?",
            "Press Analyse to say which.",
        )
        self.layer = layer


def colour_axis(layer: Image) -> int | None:
    """Return the axis of a layer that may be that of its colours, 0 or 2; None where it is clear that none is.

    It is clear where the layer is in colour, where somebody said so (`keep_as_stack`), and where the axis has a scale,
    a unit or a name of its own.
    """
    shape = _first(layer).shape
    if layer.rgb or len(shape) != 3 or layer.metadata.get(_PLANES) == "stack":
        return None
    return next((axis for axis in (0, 2) if shape[axis] in COLOURS and _is_unmarked(layer, axis)), None)


def _first(layer: Image) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _is_unmarked(layer: Image, axis: int) -> bool:
    """Say whether an axis may be one of colours: called so, or not called anything and counted in planes."""
    name = str(layer.axis_labels[axis]).lower()
    if name in CHANNEL:
        return True
    return name == str(axis - layer.ndim) and str(layer.units[axis]) == "pixel" and float(layer.scale[axis]) == 1.0


def keep_as_stack(layer: Image) -> None:
    """Note that the planes of a layer are pictures of their own."""
    layer.metadata[_PLANES] = "stack"


def show_as_colour(viewer: Any, layer: Image) -> Image:
    """Add a layer's planes as one picture in colour, above the layer, which is hidden; pixels are not copied.

    Parameters
    ----------
    viewer : napari viewer
        Of the layer.
    layer : Image
        With a `colour_axis`.
    """
    from napari.layers import Image

    axis = colour_axis(layer)
    assert axis is not None
    levels = [_moved(level, axis) for level in (layer.data if layer.multiscale else [layer.data])]
    kept = [place for place in range(3) if place != axis]
    colour = Image(
        levels if layer.multiscale else levels[0], multiscale=layer.multiscale, rgb=True, name=f"{layer.name} (colour)",
        scale=layer.scale[kept], translate=layer.translate[kept], units=[layer.units[place] for place in kept],
    )  # fmt: skip
    viewer.layers.insert(viewer.layers.index(layer) + 1, colour)
    layer.visible = False
    viewer.layers.selection.active = colour
    return colour


def _moved(values: Any, axis: int) -> Any:
    """Return values with an axis last: views of arrays in memory, else lazily."""
    if isinstance(values, np.ndarray):
        return np.moveaxis(values, axis, -1)
    from dask import array

    lazy: Any = array
    return lazy.moveaxis(lazy.asarray(values), axis, -1)
