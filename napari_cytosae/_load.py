"""Reading a picture: which image, as what, at which scale; the work runs in a job."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._job_bar import JobBar
from napari_cytosae._listening import Listening
from napari_cytosae._pixels import Picture, picture_of
from napari_cytosae._question import Question
from napari_cytosae._scale import ScaleChooser, to_pixels

if TYPE_CHECKING:
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Scene
    from napari_cytosae._jobs import JobProgress
    from napari_cytosae._session import Session
    from napari_cytosae._sources import MissingWeights

NEXT = "Next: choose a concept under Concepts to see where it lights up, or click on a cell and look under Ask."
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


class LoadPanel(Listening, QWidget):
    """Reads a picture of the viewer into the session.

    Parameters
    ----------
    viewer : napari viewer
        With image layers.
    session : Session
        Is given the scene.
    parent : QWidget, optional
        Qt parent.

    Attributes
    ----------
    picture : Picture or None
        Of the scene that the session has; set before the scene is.
    picture_read : Signal(object)
        The picture of the next scene; emitted before the session is given it.
    """

    picture_read = Signal(object)

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self.picture: Picture | None = None
        self._pixels: Any = None
        self._proposed: tuple[Any, Any] = (None, None)
        self._reading = self._again = False
        self.image, self.kind, self.shapes = QComboBox(), QComboBox(), QComboBox()
        self.scale, self.jobs, self.question = ScaleChooser(viewer), JobBar(), Question()
        self.analyse_button, self.result, self.badge = QPushButton("Analyse"), QLabel(), QLabel()
        self.open_button = QPushButton("Open a picture …")
        self._lay_out()
        events = viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered, events.changed, events.renamed):
            self.listen(NapariEvent(event), self._layers_changed)
        self.listen(NapariEvent(viewer.layers.selection.events.active), self._active_changed)
        self.listen(session.source_changed, self._choose_kind)

    def _lay_out(self) -> None:
        for text, name, tip in KINDS:
            self.kind.addItem(text, name)
            self.kind.setItemData(self.kind.count() - 1, tip, 3)
        for widget, tip in (
            (self.image, "Which picture of the viewer is read."),
            (self.kind, "How it is read: as one cell, by the cells found in it, by boxes that you draw, by windows."),
            (self.shapes, "The Shapes layer whose rectangles are the boxes."),
            (self.open_button, "Open an image file; or drop one into the window, or use File > Open."),
            (self.analyse_button, "Read the picture: what each of its patches contains. It can be cancelled."),
        ):
            widget.setToolTip(tip)
        for label in (self.result, self.badge):
            label.setWordWrap(True)
        self.badge.setVisible(False)
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for text, widget in (("Image", self.image), ("Read as", self.kind), ("Boxes", self.shapes)):
            self.form.addRow(text, widget)
        self.form.addRow("Scale", self.scale)
        self.draw_boxes = QPushButton("Draw boxes …")
        self.draw_boxes.setToolTip("Add a Shapes layer to draw rectangles about cells")
        row = QHBoxLayout()
        row.addWidget(self.analyse_button, 1)
        row.addWidget(self.draw_boxes)
        layout = QVBoxLayout(self)
        layout.addWidget(self.open_button)
        layout.addLayout(self.form)
        layout.addLayout(row)
        for below in (self.question, self.jobs, self.result, self.badge):
            layout.addWidget(below)
        layout.addStretch(1)
        self.open_button.clicked.connect(lambda *_: self._ask_for_picture())
        self.analyse_button.clicked.connect(lambda *_: self.analyse())
        self.draw_boxes.clicked.connect(lambda *_: self._add_boxes())
        self.image.activated.connect(lambda *_: self._choose_kind())
        self.kind.currentIndexChanged.connect(lambda *_: self._show_rows())
        self.jobs.busy_changed.connect(lambda busy: self.analyse_button.setEnabled(not busy))

    # Choosing

    @property
    def layer(self) -> Any:
        """The chosen image layer, None if there is none."""
        return self.image.currentData()

    def choose_layer(self, layer: Any) -> None:
        """Choose an image layer."""
        self._layers_changed()
        place = next((i for i in range(self.image.count()) if self.image.itemData(i) is layer), -1)
        if place >= 0 and place != self.image.currentIndex():
            self.image.setCurrentIndex(place)
            self._choose_kind()

    def _active_changed(self, event: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if active is not None and is_image(active):
            self.choose_layer(active)

    def _layers_changed(self, event: Any = None) -> None:
        """List the layers anew, keep what is chosen, and forget a scene whose layer is gone."""
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
        self.check_picture()
        if self.layer is not before:
            self._choose_kind()
            if before is None:
                self._tell("", "")

    def _ask_for_picture(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a picture")
        if path:
            self.open_picture(path)

    def open_picture(self, path: str) -> None:
        """Add an image file to the viewer; what cannot be read is said in the panel."""
        try:
            self._viewer.open(path, plugin="napari")
        except Exception:  # whatever a reader may raise
            logging.getLogger(__name__).info("%s was not read.", path, exc_info=True)
            self._tell(
                f"{Path(path).name} is not a picture that can be read here. File > Open offers more readers.", ""
            )

    def check_picture(self) -> None:
        """Forget a scene whose layer is gone or holds other data by now."""
        if self.picture is not None and not self._is_there(self.picture, self._pixels):
            self._session.set_scene(None)
            self.forget()

    def forget(self) -> None:
        """Let go of the picture of a scene that is no longer shown."""
        self.picture = self._pixels = None
        self._tell("", "")

    def _is_there(self, picture: Picture, pixels: Any) -> bool:
        return picture.layer in self._viewer.layers and picture.layer.data is pixels

    def _choose_kind(self, *_: Any) -> None:
        """Propose how to read the picture by its size, once for each picture and model."""
        try:
            picture = None if self.layer is None else picture_of(self.layer, self._viewer.dims)
        except CytosaeError as error:
            picture = None
            self._tell(str(error), "")
        self.scale.set_picture(picture)
        asked = (self.layer, self._session.explorer)
        if picture is not None and asked != self._proposed and self.kind.currentData() != "boxes":
            self._proposed = asked
            field = is_field(picture.field.shape[:2], self._session.explorer)
            self.kind.setCurrentIndex(self.kind.findData("cells" if field else "cell"))
        self._show_rows()

    def _show_rows(self) -> None:
        kind = self.kind.currentData()
        for widget, visible in ((self.shapes, kind == "boxes"), (self.scale, kind == "cells")):
            widget.setVisible(visible)
            label = self.form.labelForField(widget)
            if label is not None:
                label.setVisible(visible)
        self.draw_boxes.setVisible(kind == "boxes")

    def _add_boxes(self) -> None:
        """Add a Shapes layer over the picture, ready for rectangles."""
        from napari_cytosae._geometry import place

        if self.layer is None:
            return
        picture = picture_of(self.layer, self._viewer.dims)
        layer = self._viewer.add_shapes(
            None, name="boxes about cells", ndim=picture.layer.ndim, face_color="transparent", edge_color="#0072B2",
            edge_width=2, **place(picture.layer, picture.frame).arguments(),
        )  # fmt: skip
        layer.mode = "add_rectangle"
        self.shapes.setCurrentIndex(self.shapes.findText(layer.name))

    # Reading

    def analyse(self) -> None:
        """Read the chosen picture, instead of one that is being read; what is wrong is said in the panel."""
        if self.jobs.busy:
            self._read_again()
            return
        try:
            picture, explorer = self._picture(), self._explorer()
            options = self._options(picture)
        except CytosaeError as error:
            self._tell(str(error), "")
            return
        self._tell("", "")
        self._start(picture, explorer, options)

    def _start(self, picture: Picture, explorer: Explorer, options: dict[str, Any]) -> None:
        data, name = picture.layer.data, picture.layer.name

        def work(progress: JobProgress) -> Scene | MissingWeights:
            return read(explorer, picture, options, name, progress)

        def done(found: Any) -> None:
            if self._session.explorer is not explorer:
                return
            if not hasattr(found, "parts"):
                self._ask_weights(found, explorer)
            elif self._is_there(picture, data):
                self._show(picture, found, data)

        self._reading, self._again = True, False
        self.jobs.run(work, done, failed=lambda text: self._tell(text, ""), stopped=self._stopped)

    def _read_again(self) -> None:
        """Give up what is being read, and then read what is chosen; a download goes on, and reads what is chosen."""
        if self._reading and not self._again:
            self._again = True
            self.jobs.cancel()

    def _stopped(self) -> None:
        if self._again:
            self.analyse()
        else:
            self._tell("Stopped.", "")

    def _explorer(self) -> Explorer:
        if self._session.explorer is not None:
            return self._session.explorer
        if self._session.no_model:
            raise CytosaeError(self._session.no_model)
        raise CytosaeError("This atlas has no model to read images with.", "Open one that was built here.")

    def _picture(self) -> Picture:
        if self.layer is None:
            raise CytosaeError("There is no image.", "Open one with the button above, or drop it into the window.")
        return picture_of(self.layer, self._viewer.dims)

    def _options(self, picture: Picture) -> dict[str, Any]:
        kind = str(self.kind.currentData())
        options: dict[str, Any] = {"kind": kind}
        if kind == "boxes":
            if self.shapes.currentData() is None:
                raise CytosaeError("There is no Shapes layer with boxes.", "Draw rectangles about cells.")
            options["boxes"] = boxes_of(picture, self.shapes.currentData())
        elif kind == "cells":
            options |= self.scale.arguments()
        return options

    def _show(self, picture: Picture, scene: Scene, pixels: Any) -> None:
        self.picture, self._pixels = picture, pixels
        self.picture_read.emit(picture)
        self._session.set_scene(scene)
        text, badge = result_of(scene)
        self._tell(f"{text} {NEXT}", badge)

    def _ask_weights(self, missing: MissingWeights, explorer: Explorer) -> None:
        from napari_cytosae._sources import fetch

        def download() -> None:
            self._reading = False
            self.jobs.run(
                lambda progress: fetch(missing, explorer, progress),
                lambda _: self.analyse(),
                failed=lambda text: self._tell(text, ""),
            )

        self.question.ask(missing.question(), "Download", download)

    def _tell(self, result: str, badge: str) -> None:
        self.result.setText(result)
        self.badge.setText(badge)
        self.badge.setVisible(bool(badge))


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


def read(
    explorer: Explorer, picture: Picture, options: dict[str, Any], name: str, progress: JobProgress
) -> Scene | MissingWeights:
    """Read a picture in a job; or return which weights are missing."""
    from napari_cytosae._imports import READING, import_heavy

    import_heavy(READING)
    from cytosae_toolkit.explore.scene import analyse
    from napari_cytosae._sources import missing_weights

    if "backbone" not in vars(explorer) and (missing := missing_weights(explorer)) is not None:
        return missing
    return analyse(explorer, picture.field, name=name, progress=progress, **options)


def is_image(layer: Any) -> bool:
    """Say whether a layer is a picture to be read: an image, and not a heat map."""
    from napari.layers import Image, Labels

    if not isinstance(layer, Image) or isinstance(layer, Labels):
        return False
    return layer.rgb or not str(layer.colormap.name).startswith(OWN_COLOURS)


def is_shapes(layer: Any) -> bool:
    """Say whether a layer holds shapes that may be boxes about cells."""
    from napari.layers import Shapes

    from napari_cytosae._hover import NAME
    from napari_cytosae._scale import LINE

    return isinstance(layer, Shapes) and layer.name != NAME and not layer.name.startswith(LINE)


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


def result_of(scene: Scene) -> tuple[str, str]:
    """Return what was found, and the badge of images that the model does not know; empty where there is no need."""
    n, height, width = len(scene.parts), *scene.shape
    what = {"cell": "cell", "cells": "white cell", "boxes": "box", "windows": "window"}[scene.kind]
    many = {"box": "boxes"}.get(what, f"{what}s")
    verb = "found" if scene.kind == "cells" else "read"
    text = f"{n} {what if n == 1 else many} {verb} in {width} x {height} pixels."
    if scene.scale is not None and not scene.scale.is_certain:
        text += " The scale is a guess: draw a line across a red cell."
    if scene.approximate:
        text += " Approximate: windows are unlike the training images."
    n_unlike = sum(bool(part.image.unlike) for part in scene.parts)
    badge = "" if not n_unlike else f"⚠ {n_unlike} of {n} unlike the model's training images: read with care."
    return text, badge
