"""The patch under the cursor, outlined; a click keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._follower import Follower, Heard
from napari_cytosae._geometry import picture_point, place_like
from napari_cytosae._layer_list import take_away
from napari_cytosae._outlines import Box, insert_outlines, line_width, sides_of_boxes

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Vectors

    from cytosae_toolkit.explore.scene import Spot
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session

HOVERED, PINNED = "#009E73", "#D55E00"
"""Colours of the outlines, of the palette by Okabe and Ito: green, vermilion."""
EVERY_MS = 25
"""The cursor is looked at so often, milliseconds."""
STILL = 4.0
"""A mouse that moved less between press and release has clicked, pixels of the canvas."""
EDGE = 0.08
"""Width of the outlines in sides of the smallest patch."""
WIDEST = 0.4
"""Most width of the outlines in sides of the smallest patch."""
NAME = "patch"
"""Name of the layer of outlines."""


class Hover(Follower):
    """Tells a session which patch is under the cursor and which was clicked, and outlines both.

    Escape takes the pin away. While another layer is drawn on (its mode is not to pan and zoom), clicks are its own.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Where.
    session : Session
        What.
    """

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        super().__init__(viewer, session)
        self._outlines: Vectors | None = None
        self._look: tuple[list[str], float] | None = None
        self._throttled: Any = None
        self._unbound: Any = None

    @property
    def outlines(self) -> Vectors | None:
        """The layer of outlines, once there was one to draw."""
        return self._outlines

    def show_on(self, picture: Picture | None) -> None:
        """Say which layer the session's scene was read from; call it before `Session.set_scene`."""
        super().show_on(picture)
        self._move()
        self._draw()

    # Listening

    def start(self) -> None:
        """Listen to the mouse."""
        if not self._running:
            from superqt.utils import qthrottled

            self._throttled = qthrottled(self.look, timeout=EVERY_MS)
            self.viewer.mouse_move_callbacks.append(self._on_move)
            self.viewer.mouse_drag_callbacks.append(self._on_press)
            self._unbound = self.viewer.bind_key("Escape", self._unpin, overwrite=True)
        super().start()

    def stop(self) -> None:
        """Listen no more, and take the outlines away."""
        if self._running:
            self._throttled.cancel()
            self._throttled = None
            for callbacks, own in (
                (self.viewer.mouse_move_callbacks, self._on_move),
                (self.viewer.mouse_drag_callbacks, self._on_press),
            ):
                if own in callbacks:
                    callbacks.remove(own)
            self.viewer.bind_key("Escape", self._unbound, overwrite=True)
            self._unbound = None
        super().stop()

    def _heard(self) -> list[Heard]:
        return [(self.session.spot_changed, self._draw), (self.session.pinned_changed, self._draw)]

    # The mouse

    def _on_move(self, viewer: Any, event: Any) -> None:
        if self._throttled is not None:
            self._throttled(tuple(event.position))

    def look(self, position: Sequence[float]) -> None:
        """Look at a place in the world, given as a mouse event gives it."""
        if self._running:
            self.session.spot = self.spot_at(position)

    def spot_at(self, position: Sequence[float]) -> Spot | None:
        """Return the patch at a place in the world."""
        scene, picture = self.session.scene, self._picture
        if scene is None or picture is None or self.viewer.dims.ndisplay != 2:
            return None
        units = getattr(self.viewer.layers.extent, "units", None)
        point = picture_point(picture.frame, picture.layer, position, units)
        return None if point is None else scene.locate(*point)

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        active = self.viewer.layers.selection.active
        drawing = active is not None and str(getattr(active, "mode", "pan_zoom")) != "pan_zoom"
        if event.button != 1 or event.modifiers or drawing:
            return
        start, position = np.array(event.pos, dtype=float), tuple(event.position)
        yield
        moved = False
        while event.type == "mouse_move":
            moved = moved or bool(np.abs(np.array(event.pos, dtype=float) - start).max() > STILL)
            yield
        spot = None if moved else self.spot_at(position)
        if spot is not None:
            self.session.pinned = spot

    def _unpin(self, viewer: Any) -> None:
        self.session.pinned = None

    # The outlines

    def _draw(self) -> None:
        """Outline the patches of the session, the pinned one above."""
        scene, picture = self.session.scene, self._picture
        spots = (self.session.spot, self.session.pinned)
        there = picture is not None and picture.layer in self.viewer.layers
        if not self._running or scene is None or picture is None or not there or not any(spots):
            self._hide()
            return
        boxes = [scene.patch_box(spot or other) for spot, other in (spots, spots[::-1])]  # type: ignore[arg-type]
        colours = [colour if spot else "transparent" for spot, colour in zip(spots, (HOVERED, PINNED), strict=True)]
        self._outline(picture, boxes, colours)

    def _outline(self, picture: Picture, boxes: Sequence[Box], colours: list[str]) -> None:
        """Outline each patch: always as many, so that the layer only has to move them.

        Numbers of a layer that are changed in place and shown by a refresh of nothing else cost a fraction of new data:
        the layer list and the extent of the viewer stay as they are.
        """
        width = line_width(self.viewer, picture, boxes, EDGE, WIDEST)
        sides = sides_of_boxes(picture.frame, boxes, width)
        layer = self._layer(picture, sides)
        layer.data[:] = sides
        if self._look != (colours, width):
            layer.edge_color, layer.edge_width = np.repeat(colours, len(sides) // len(boxes)), width
            self._look = colours, width
        if layer.visible:
            layer.refresh(extent=False, thumbnail=False, highlight=False)
        else:
            layer.visible = True

    def _layer(self, picture: Picture, sides: NDArray[np.float64]) -> Vectors:
        """Return the layer of outlines, a new one where there is none that fits."""
        if self._outlines is not None and self._outlines.ndim != picture.frame.ndim:
            self._remove()
        if self._outlines is None or self._outlines not in self.viewer.layers:
            self._outlines = insert_outlines(self.viewer, picture, sides, NAME)
            self._look = None
        return self._outlines

    def _move(self, event: Any = None) -> None:
        """Follow the picture."""
        if self._outlines is not None and self._picture is not None:
            place_like(self._picture.layer).apply(self._outlines)

    def _hide(self) -> None:
        if self._outlines is not None and self._outlines.visible:
            self._outlines.visible = False

    def _remove(self) -> None:
        layer, self._outlines = self._outlines, None
        take_away(self.viewer, layer)
