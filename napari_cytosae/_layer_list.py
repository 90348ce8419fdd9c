"""Layers that come and go beside those of the user. No Qt."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

AID = "cytosae_aid"
"""Key in the metadata of layers that help on the screen and are in no saved picture."""


def take_away(viewer: ViewerModel, layer: Layer | None) -> None:
    """Remove a layer, if it is there; of a window whose widgets are gone, nothing has to be removed."""
    if layer is None or layer not in viewer.layers:
        return
    try:
        viewer.layers.remove(layer)
    except RuntimeError as error:
        if "deleted" not in str(error):  # what Qt's bindings say of a widget whose window is gone
            raise


def insert_above(viewer: ViewerModel, picture: Layer, layer: Layer, above: int = 1) -> None:
    """Insert a layer above another, without a change of what is selected."""
    layers = viewer.layers
    selected, active = set(layers.selection), layers.selection.active
    layers.insert(min(layers.index(picture) + above, len(layers)), layer)
    if active is not None:
        layers.selection.active = active
    else:
        layers.selection.clear()
        layers.selection.update(selected)


@contextmanager
def without_aids(viewer: ViewerModel) -> Iterator[None]:
    """Hide, for a while, the layers that are in no saved picture: outlines of patches and cells, regions, lines."""
    hidden = [layer for layer in viewer.layers if layer.visible and AID in layer.metadata]
    for layer in hidden:
        layer.visible = False
    try:
        yield
    finally:
        for layer in hidden:
            layer.visible = True


def camera_of(viewer: ViewerModel) -> Any:
    """Return the camera of a viewer."""
    return getattr(viewer, "scene", viewer).camera  # napari before 0.9 has it on the viewer


def screen_pixel(viewer: ViewerModel, layer: Layer, axes: Sequence[int] = (-2, -1)) -> float:
    """Return the side of a pixel of the screen, in data units of a layer of which two axes are shown."""
    return float(1 / (camera_of(viewer).zoom * np.abs(np.asarray(layer.scale)[list(axes)]).min()))
