"""The boxes that a field was read by, outlined: which cells were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cytosae._geometry import place_like
from napari_cytosae._hover import THINNEST, sides_of
from napari_cytosae._layer_list import AID, camera_of, insert_above, screen_pixel, take_away
from napari_cytosae._overlay import TRANSFORM
from napari_cytosae._regions import ANOTHER_WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Vectors
    from numpy.typing import NDArray

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


class PartOutlines:
    """Outlines the cells or boxes that a session's picture was read by, in one layer that goes with them.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Where.
    session : Session
        What.
    """

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        self.viewer, self.session = viewer, session
        self._picture: Picture | None = None
        self._layer: Vectors | None = None
        self._width = 0.0
        self._running = False

    @property
    def layer(self) -> Vectors | None:
        """The layer of outlines, if there is anything to outline."""
        return self._layer

    def show_on(self, picture: Picture | None) -> None:
        """Say which layer the session's next scene was read from; call it before `Session.set_scene`."""
        if self._picture is None or picture is None or picture.layer is not self._picture.layer:
            self._remove()
        self._follow(False)
        self._picture = picture
        self._follow(self._running)

    def start(self) -> None:
        """Listen to session and camera, and outline what was read."""
        if not self._running:
            self._running = True
            self.session.scene_changed.connect(self._on_scene_changed)
            camera_of(self.viewer).events.zoom.connect(self._on_zoom)
            self._follow(True)
            self._on_scene_changed()

    def stop(self) -> None:
        """Listen no more, and take the outlines away."""
        if self._running:
            self._running = False
            self.session.scene_changed.disconnect(self._on_scene_changed, missing_ok=True)
            camera_of(self.viewer).events.zoom.disconnect(self._on_zoom)
            self._follow(False)
            self._remove()

    def _follow(self, on: bool) -> None:
        if self._picture is None:
            return
        events = self._picture.layer.events
        for name in TRANSFORM:
            if hasattr(events, name):
                change: Callable[..., Any] = getattr(events, name).connect if on else getattr(events, name).disconnect
                change(self._move)

    def _on_scene_changed(self) -> None:
        scene, picture = self.session.scene, self._picture
        if picture is None or scene is None or picture.layer not in self.viewer.layers or scene.kind not in OUTLINED:
            self._remove()
        elif self._layer is not None and self._layer in self.viewer.layers:
            self._layer.data = self._sides(picture)  # a new layer would hold the window up
            self._layer.edge_width = self._width
            self._move()
        else:
            self._draw(picture)
        if scene is None:
            self._follow(False)
            self._picture = None

    def _sides(self, picture: Picture) -> NDArray[np.floating]:
        self._width = self._wanted_width(picture)
        boxes = [part.box for part in self.session.scene.parts] if self.session.scene else []
        return np.concatenate([sides_of(picture.frame, box, self._width) for box in boxes])

    def _draw(self, picture: Picture) -> None:
        from napari.layers import Vectors

        self._layer = Vectors(
            self._sides(picture), vector_style="line", edge_color=COLOUR, edge_width=self._width, opacity=1,
            blending="translucent_no_depth", name=NAME, metadata={AID: True}, **place_like(picture.layer).arguments(),
        )  # fmt: skip
        insert_above(self.viewer, picture.layer, self._layer, len(self.viewer.layers))

    def _wanted_width(self, picture: Picture) -> float:
        """Return a width that is seen at this zoom, in data units of the picture's layer."""
        boxes = [part.box for part in self.session.scene.parts] if self.session.scene else []
        side = min(min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes) * min(picture.frame.step)
        return float(min(THINNEST * screen_pixel(self.viewer, picture.layer, picture.frame.axes), WIDEST * side))

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
