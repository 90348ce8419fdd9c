"""How a picture is read: which image, as what, by which boxes, at which scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._geometry import place
from napari_cytosae._listening import Listening
from napari_cytosae._pixels import Picture, picture_of
from napari_cytosae._scale import ScaleChooser, is_line, narrow, to_pixels

if TYPE_CHECKING:
    from cytosae_toolkit.explore import Explorer
    from napari_cytosae._session import Session

KINDS = (
    ("one cell, as it is", "cell", "The whole picture is one cell, like the model's training images"),
    ("find the white cells", "cells", "A field: cells are found and cropped as the training images were"),
    ("my boxes", "boxes", "Rectangles of a Shapes layer, one about each cell"),
    ("sliding windows (approximate)", "windows", "Windows are unlike the training crops: read them with care"),
)
FIELD_SIDE = 600
"""Pixels from which a picture is taken for a field where the model does not know its training images."""
OWN_COLOURS = "cytosae "
"""How the names of the colour maps of heat maps begin."""


class LoadForm(Listening, QWidget):
    """Lists the layers of a viewer, and proposes how to read the chosen one.

    Parameters
    ----------
    viewer : napari viewer
        With image layers.
    session : Session
        Whose model is to read the picture.
    parent : QWidget, optional
        Qt parent.

    Attributes
    ----------
    listed : Signal()
        The layers of the viewer are others, or otherwise called.
    problem : Signal(str)
        Why the chosen layer is no picture to be read; empty when there is a picture at last.
    """

    listed, problem = Signal(), Signal(str)

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self._proposed: tuple[Any, Any] = (None, None)
        self.image, self.kind, self.shapes = QComboBox(), QComboBox(), QComboBox()
        self.scale = ScaleChooser(viewer)
        self._lay_out()
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.changed, events.renamed):
            self.listen(NapariEvent(event), self._layers_changed)
        self.listen(NapariEvent(viewer.layers.selection.events.active), self._active_changed)
        self.listen(session.source_changed, self._choose_kind)
        self.image.activated.connect(lambda *_: self._choose_kind())
        self.kind.currentIndexChanged.connect(lambda *_: self._show_rows())

    def _lay_out(self) -> None:
        for text, name, tip in KINDS:
            self.kind.addItem(text, name)
            self.kind.setItemData(self.kind.count() - 1, tip, 3)
        for widget, tip in (
            (self.image, "Which picture of the viewer is read."),
            (self.kind, "How it is read: as one cell, by the cells found in it, by boxes that you draw, by windows."),
            (self.shapes, "The Shapes layer whose rectangles are the boxes."),
        ):
            widget.setToolTip(tip)
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, widget in (("Image", self.image), ("Read as", self.kind), ("Boxes", self.shapes)):
            self._rows.addRow(text, widget)
        self._rows.addRow("Scale", self.scale)
        for combo in (self.image, self.shapes):
            narrow(combo)

    # Choosing

    @property
    def layer(self) -> Any:
        """The chosen image layer, None if there is none."""
        return self.image.currentData()

    def choose_layer(self, layer: Any) -> None:
        """Choose an image layer."""
        self._layers_changed()
        place = next((i for i in range(self.image.count()) if self.image.itemData(i) is layer), -1)
        if place >= 0:
            self.image.setCurrentIndex(place)
            self._choose_kind()

    def read_as(self, kind: str) -> None:
        """Choose how the picture is read: one of `KINDS`."""
        self.kind.setCurrentIndex(self.kind.findData(kind))

    def _active_changed(self, event: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if active is not None and is_image(active):
            self.choose_layer(active)

    def _layers_changed(self, event: Any = None) -> None:
        """List the layers anew, and keep what is chosen."""
        before = self.layer
        for combo, wanted in ((self.image, is_image), (self.shapes, is_shapes)):
            chosen = combo.currentData()
            combo.blockSignals(True)
            combo.clear()
            for layer in reversed(self._viewer.layers):
                if wanted(layer):
                    combo.addItem(layer.name, layer)
            place = next((i for i in range(combo.count()) if combo.itemData(i) is chosen), 0)
            combo.setCurrentIndex(place if combo.count() else -1)
            combo.blockSignals(False)
        self.listed.emit()
        if self.layer is not before:
            if before is None:
                self.problem.emit("")
            self._choose_kind()

    def _choose_kind(self, *_: Any) -> None:
        """Propose how to read the picture by its size, once for each picture and model."""
        try:
            picture = None if self.layer is None else self.picture()
        except CytosaeError as error:
            picture = None
            self.problem.emit(str(error))
        self.scale.set_picture(picture)
        asked = (self.layer, self._session.explorer)
        if picture is not None and asked != self._proposed and self.kind.currentData() != "boxes":
            self._proposed = asked
            self.read_as("cells" if is_field(picture.field.shape[:2], self._session.explorer) else "cell")
        self._show_rows()

    def _show_rows(self) -> None:
        kind = self.kind.currentData()
        for widget, visible in ((self.shapes, kind == "boxes"), (self.scale, kind == "cells")):
            widget.setVisible(visible)
            label = self._rows.labelForField(widget)
            if label is not None:
                label.setVisible(visible)

    def add_boxes(self) -> None:
        """Add a Shapes layer over the picture, ready for rectangles."""
        if self.layer is None:
            return
        picture = self.picture()
        layer = self._viewer.add_shapes(
            None, name="boxes about cells", ndim=picture.layer.ndim, face_color="transparent", edge_color="#0072B2",
            edge_width=2, **place(picture.layer, picture.frame).arguments(),
        )  # fmt: skip
        layer.mode = "add_rectangle"
        self.shapes.setCurrentIndex(self.shapes.findText(layer.name))

    # What is chosen

    def picture(self) -> Picture:
        """Return the chosen picture; nothing is read yet.

        Raises
        ------
        CytosaeError
            If there is none, or the layer is none that can be read.
        """
        if self.layer is None:
            raise CytosaeError("There is no image.", "Open one with the button above, or drop it into the window.")
        return picture_of(self.layer, self._viewer.dims)

    def options(self, picture: Picture) -> dict[str, Any]:
        """Return how to read a picture, as keyword arguments of `cytosae_toolkit.explore.analysing.analyse`.

        Raises
        ------
        CytosaeError
            If it is to be read by boxes and there is no layer with any, or by a line that is not drawn.
        """
        kind = str(self.kind.currentData())
        options: dict[str, Any] = {"kind": kind}
        if kind == "boxes":
            if self.shapes.currentData() is None:
                raise CytosaeError("There is no Shapes layer with boxes.", "Draw rectangles about cells.")
            options["boxes"] = boxes_of(picture, self.shapes.currentData())
        elif kind == "cells":
            options |= self.scale.arguments()
        return options


class NapariEvent:
    """An event of napari as a signal for `Listening`."""

    def __init__(self, emitter: Any) -> None:
        self._emitter = emitter

    def connect(self, slot: Any) -> None:
        """Connect."""
        self._emitter.connect(slot)

    def disconnect(self, slot: Any, missing_ok: bool = True) -> None:
        """Disconnect; a slot that is not connected is no error."""
        self._emitter.disconnect(slot)


def is_image(layer: Any) -> bool:
    """Say whether a layer is a picture to be read: an image, and not a heat map."""
    from napari.layers import Image, Labels

    if not isinstance(layer, Image) or isinstance(layer, Labels):
        return False
    return layer.rgb or not str(layer.colormap.name).startswith(OWN_COLOURS)


def is_shapes(layer: Any) -> bool:
    """Say whether a layer holds shapes that may be boxes about cells."""
    from napari.layers import Shapes

    return isinstance(layer, Shapes) and not is_line(layer)


def is_field(shape: tuple[int, ...], explorer: Explorer | None) -> bool:
    """Say whether a picture of this size looks like a field of several cells."""
    usual = None if explorer is None else explorer.image_fit
    if usual is None or not usual.side:
        return max(shape) > FIELD_SIDE
    from cytosae_toolkit.explore.fields import FIELD_FACTOR

    return bool(max(shape) > FIELD_FACTOR * usual.side[1])


def boxes_of(picture: Picture, layer: Any) -> list[tuple[int, int, int, int]]:
    """Return the boxes about the shapes of a layer, ``x0, y0, x1, y1`` in the picture's pixels; lines are left out."""
    boxes = []
    for data, kind in zip(layer.data, layer.shape_type, strict=True):
        if kind in ("line", "path"):
            continue
        points = to_pixels(picture, layer, np.asarray(data, dtype=np.float64))
        x0, y0 = np.floor(points.min(axis=0) + 1e-6).astype(int).tolist()
        x1, y1 = np.ceil(points.max(axis=0) - 1e-6).astype(int).tolist()
        boxes.append((x0, y0, x1, y1))
    return boxes
