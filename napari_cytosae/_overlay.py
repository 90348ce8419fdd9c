"""Heat maps over the picture: a layer for each latent that is shown, kept and updated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._follower import Follower, Heard
from napari_cytosae._geometry import place_heat
from napari_cytosae._layer_list import insert_above, take_away
from napari_cytosae._session import SLOTS

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image
    from napari.utils import Colormap

    from cytosae_toolkit.explore.heat import Heat
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session

ACCENTS = ("#E69F00", "#56B4E9")
"""Colours of the slots, of the palette by Okabe and Ito: orange, sky blue."""


class HeatLayers(Follower):
    """Lays the heat maps of a session's latents over its picture.

    The layers follow the picture when it moves or is renamed, and go when it goes or gets other data; then the session
    is told that there is no picture any more.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Where.
    session : Session
        What.
    """

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        super().__init__(viewer, session)
        self._layers: list[Image | None] = [None] * SLOTS
        self._heats: list[Heat | None] = [None] * SLOTS

    def layer(self, slot: int) -> Image | None:
        """Return the layer of a slot, if it shows anything."""
        return self._layers[slot]

    def show_on(self, picture: Picture | None) -> None:
        """Say which layer the session's scene was read from; call it before `Session.set_scene`."""
        super().show_on(picture)
        self._draw()

    # Listening

    def start(self) -> None:
        """Listen to session and viewer, and show what the session shows."""
        if not self._running:
            self._on_layers_changed()
        super().start()

    def _heard(self) -> list[Heard]:
        session, layers = self.session, self.viewer.layers.events
        return [
            (session.latent_changed, self._refresh),
            (session.view_changed, self._redraw),
            (session.names_changed, self._rename),
            (layers.removed, self._on_layers_changed),
            (layers.changed, self._on_layers_changed),
        ]

    def _of_picture(self) -> list[Heard]:
        if self._picture is None:
            return []
        events = self._picture.layer.events
        return [*super()._of_picture(), (events.name, self._rename), (events.data, self._on_picture_replaced)]

    # What happens

    def _on_picture_replaced(self, event: Any = None) -> None:
        self._forget()

    def _on_layers_changed(self, event: Any = None) -> None:
        """Notice that the picture, or a heat map, is no longer among the layers."""
        for slot, layer in enumerate(self._layers):
            if layer is not None and layer not in self.viewer.layers:
                self._layers[slot] = None
                self.session.choose(None, slot)
        if self._picture is not None and self._picture.layer not in self.viewer.layers:
            self._forget()

    def _forget(self) -> None:
        """Show nothing on a picture that is gone; its layers go when whoever removes layers now is done."""
        self._follow(None)
        for layer in self._layers:
            if layer is not None:
                layer.visible = False
        _later(self._drop_without_picture)
        self.session.set_scene(None)

    def _drop_without_picture(self) -> None:
        if self._picture is None:
            self._remove()

    def _draw(self) -> None:
        for slot in range(SLOTS):
            self._refresh(slot)

    def _refresh(self, slot: int) -> None:
        """Show another latent, or another picture."""
        if not self._running:
            return
        heat = self._heats[slot] = self._heat(slot)
        if heat is not None:
            self._show(slot, heat)
        elif self._picture is not None:
            self._drop(slot)
        else:
            _later(self._drop_without_picture)

    def _heat(self, slot: int) -> Heat | None:
        scene, latent = self.session.scene, self.session.latent(slot)
        if scene is None or latent is None or self._picture is None:
            return None
        return scene.heat(latent) if tuple(self._picture.field.shape[:2]) == tuple(scene.shape) else None

    # The layers

    def _show(self, slot: int, heat: Heat) -> None:
        picture, latent, layer = self._picture, self.session.latent(slot), self._layers[slot]
        assert picture is not None and latent is not None
        data, placement = place_heat(picture.layer, picture.frame, heat)
        data, limits = self._above_threshold(data), (0.0, self.session.full_scale(latent))
        if layer is not None and layer.ndim == data.ndim:
            _give(layer, data, limits)
            placement.apply(layer)
            self._rename()
            if not layer.visible:  # setting it costs as much as new data
                layer.visible = True
            return
        self._drop(slot)
        self._layers[slot] = self._insert(slot, data, limits, placement.arguments())

    def _insert(
        self, slot: int, data: NDArray[np.float32], limits: tuple[float, float], where: dict[str, Any]
    ) -> Image:
        from napari.layers import Image

        assert self._picture is not None
        layer = Image(
            data,
            name=self._name(slot),
            rgb=False,
            colormap=alpha_ramp(ACCENTS[slot], f"cytosae {'AB'[slot]}"),
            contrast_limits=limits,
            blending="translucent_no_depth",
            opacity=self.session.shown_opacity,
            interpolation2d="nearest",
            **where,
        )
        insert_above(self.viewer, self._picture.layer, layer, 1 + slot)
        return layer

    def _above_threshold(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.where(data > self.session.threshold, data, np.float32(0))

    def _redraw(self) -> None:
        """Apply another τ or opacity."""
        for layer, heat in zip(self._layers, self._heats, strict=True):
            if layer is not None and heat is not None:
                if layer.opacity != self.session.shown_opacity:
                    layer.opacity = self.session.shown_opacity
                _give(layer, self._above_threshold(heat.values.reshape(layer.data.shape)), tuple(layer.contrast_limits))

    def _move(self, event: Any = None) -> None:
        """Follow the picture."""
        for layer, heat in zip(self._layers, self._heats, strict=True):
            if layer is not None and heat is not None and self._picture is not None:
                place_heat(self._picture.layer, self._picture.frame, heat)[1].apply(layer)

    def _rename(self, event: Any = None) -> None:
        for slot, layer in enumerate(self._layers):
            if layer is not None and self._picture is not None and self.session.latent(slot) is not None:
                name = self._name(slot)
                if layer.name != name:
                    layer.name = name

    def _name(self, slot: int) -> str:
        latent = self.session.latent(slot)
        assert latent is not None and self._picture is not None
        return f"{self.session.describe(latent)} on {self._picture.layer.name}"

    def _remove(self) -> None:
        for slot in range(SLOTS):
            self._drop(slot)

    def _drop(self, slot: int) -> None:
        layer, self._layers[slot] = self._layers[slot], None
        take_away(self.viewer, layer)


def _give(layer: Image, data: NDArray[np.float32], limits: tuple[float, float]) -> None:
    """Show other values: in place where the shape stays, so that the viewer need not find its extent anew."""
    same = tuple(layer.contrast_limits) == limits
    if layer.data.shape == data.shape:
        layer.data[...] = data
        layer.refresh(extent=False, highlight=False, thumbnail=same)
    else:
        layer.data = data
    if not same:
        layer.contrast_limits = limits


def alpha_ramp(colour: str, name: str) -> Colormap:
    """Return a colour map of one colour, clear at 0 and opaque at 1, so that the cell below stays visible."""
    from napari.utils import Colormap
    from napari.utils.colormaps.standardize_color import transform_color

    clear = transform_color(colour)[0]
    clear[3] = 0
    opaque = clear.copy()
    opaque[3] = 1
    return Colormap([clear, opaque], name=name)


def _later(function: Callable[[], None]) -> None:
    """Call a function when the present event is over; at once where there is no event loop."""
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is None:
        function()
    else:
        QTimer.singleShot(0, function)
