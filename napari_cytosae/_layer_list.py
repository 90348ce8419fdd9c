"""Layers that come and go beside those of the user. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


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
