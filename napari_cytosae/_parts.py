"""The boxes that a field was read by, outlined: which cells were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_cytosae._follower import Follower, Heard
from napari_cytosae._geometry import place_like
from napari_cytosae._layer_list import camera_of, take_away
from napari_cytosae._outlines import Box, insert_outlines, line_width, sides_of_boxes
from napari_cytosae._regions import ANOTHER_WIDTH

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Vectors

    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session

NAME = "cells read"
"""Name of the layer."""
COLOUR = "black"
"""On a smear, boxes run over what is bright; the colours are those of concepts, patches and regions."""
OUTLINED = ("cells", "boxes")
"""Kinds of scenes whose parts are outlined; windows cover the picture."""
WIDEST = 0.1
"""Most width of the outlines in sides of the smallest box."""


class PartOutlines(Follower):
    """Outlines the cells or boxes that a session's picture was read by, in one layer that goes with them."""

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        super().__init__(viewer, session)
        self._layer: Vectors | None = None
        self._width = 0.0

    @property
    def layer(self) -> Vectors | None:
        """The layer of outlines, if there is anything to outline."""
        return self._layer

    def show_on(self, picture: Picture | None) -> None:
        """Say which layer the session's next scene was read from; the outlines on another one go at once."""
        if self._picture is None or picture is None or picture.layer is not self._picture.layer:
            self._remove()
        super().show_on(picture)

    def _heard(self) -> list[Heard]:
        return [(camera_of(self.viewer).events.zoom, self._on_zoom)]

    def _boxes(self) -> list[Box]:
        scene = self.session.scene
        return [part.box for part in scene.parts] if scene is not None and scene.kind in OUTLINED else []

    def _draw(self) -> None:
        picture, boxes = self._picture, self._boxes()
        if picture is None or not boxes or picture.layer not in self.viewer.layers:
            self._remove()
            return
        self._width = self._wanted_width(picture)
        sides = sides_of_boxes(picture.frame, boxes, self._width)
        if self._layer is not None and self._layer in self.viewer.layers:
            self._layer.data = sides  # a new layer would hold the window up
            self._layer.edge_width = self._width
            self._move()
        else:
            look = {"edge_color": COLOUR, "edge_width": self._width}
            self._layer = insert_outlines(self.viewer, picture, sides, NAME, **look)

    def _wanted_width(self, picture: Picture) -> float:
        return line_width(self.viewer, picture, self._boxes(), 0, WIDEST)

    def _on_zoom(self, event: Any = None) -> None:
        if self._layer is None or self._picture is None or self._layer not in self.viewer.layers:
            return
        width = self._wanted_width(self._picture)
        if max(width / self._width, self._width / width) > ANOTHER_WIDTH:
            self._layer.edge_width = self._width = width

    def _move(self, event: Any = None) -> None:
        if self._layer is not None and self._picture is not None:
            place_like(self._picture.layer).apply(self._layer)

    def _remove(self) -> None:
        layer, self._layer = self._layer, None
        take_away(self.viewer, layer)
