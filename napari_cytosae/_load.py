"""Reading a picture of the viewer into the session; the work runs in a job."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._colour_axis import UnclearColours, keep_as_stack, show_as_colour
from napari_cytosae._job_bar import JobBar
from napari_cytosae._load_form import LoadForm, is_field
from napari_cytosae._pixels import Picture
from napari_cytosae._question import Question

if TYPE_CHECKING:
    from cytosae_toolkit.explore import Explorer
    from cytosae_toolkit.explore.scene import Scene
    from napari_cytosae._jobs import JobProgress
    from napari_cytosae._session import Session
    from napari_cytosae._sources import MissingWeights

NEXT = "Next: choose a concept under Concepts to see where it lights up, or click on a cell and look under Ask."
FIELD = (
    "This picture is larger than the single cells that the model learnt from. If it shows a smear, let its white cells "
    "be found, and each be read."
)


class LoadPanel(QWidget):
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
        self._reading = self._again = False
        self.form, self.jobs, self.question = LoadForm(viewer, session), JobBar(), Question()
        self.analyse_button, self.result, self.badge = QPushButton("Analyse"), QLabel(), QLabel()
        self.open_button, self.draw_boxes = QPushButton("Open a picture …"), QPushButton("Draw boxes …")
        self._lay_out()
        self.form.listed.connect(self.check_picture)
        self.form.problem.connect(lambda text: self._tell(text, ""))
        self.form.kind.currentIndexChanged.connect(lambda *_: self._show_buttons())
        self.open_button.clicked.connect(lambda *_: self._ask_for_picture())
        self.analyse_button.clicked.connect(lambda *_: self.analyse())
        self.draw_boxes.clicked.connect(lambda *_: self.form.add_boxes())
        self.jobs.busy_changed.connect(lambda busy: self.analyse_button.setEnabled(not busy))

    def _lay_out(self) -> None:
        for button, tip in (
            (self.open_button, "Open an image file; or drop one into the window, or use File > Open."),
            (self.analyse_button, "Read the picture: what each of its patches contains. It can be cancelled."),
            (self.draw_boxes, "Add a Shapes layer to draw rectangles about cells"),
        ):
            button.setToolTip(tip)
        for label in (self.result, self.badge):
            label.setWordWrap(True)
        self.badge.setVisible(False)
        row = QHBoxLayout()
        row.addWidget(self.analyse_button, 1)
        row.addWidget(self.draw_boxes)
        layout = QVBoxLayout(self)
        layout.addWidget(self.open_button)
        layout.addWidget(self.form)
        layout.addLayout(row)
        for below in (self.question, self.jobs, self.result, self.badge):
            layout.addWidget(below)
        layout.addStretch(1)
        self._show_buttons()

    def _show_buttons(self) -> None:
        self.draw_boxes.setVisible(self.form.kind.currentData() == "boxes")

    # Choosing

    @property
    def layer(self) -> Any:
        """The chosen image layer, None if there is none."""
        return self.form.layer

    def choose_layer(self, layer: Any) -> None:
        """Choose an image layer."""
        self.form.choose_layer(layer)

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
        self.question.hide()
        self._tell("", "")

    def _is_there(self, picture: Picture, pixels: Any) -> bool:
        return picture.layer in self._viewer.layers and picture.layer.data is pixels

    # Reading

    def analyse(self) -> None:
        """Read the chosen picture, instead of one that is being read; what is wrong is said in the panel."""
        if self.jobs.busy:
            self._read_again()
            return
        try:
            picture, explorer = self.form.picture(), self._explorer()
            options = self.form.options(picture)
        except UnclearColours as unclear:
            self._ask_colours(unclear)
            return
        except CytosaeError as error:
            self._tell(str(error), "")
            return
        self.question.hide()
        self._tell("", "")
        self._start(picture, explorer, options)

    def _ask_colours(self, unclear: UnclearColours) -> None:
        def answer(colour: bool) -> None:
            layer = unclear.layer
            if layer in self._viewer.layers:
                if not colour:
                    keep_as_stack(layer)
                self.choose_layer(show_as_colour(self._viewer, layer) if colour else layer)
                self.analyse()

        stack = ("A stack", "Each plane is a picture of its own; the one that is shown is read.", lambda: answer(False))
        self.question.ask(unclear.message, "Colours", lambda: answer(True), more=[stack])

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

    def _show(self, picture: Picture, scene: Scene, pixels: Any) -> None:
        self.picture, self._pixels = picture, pixels
        self.picture_read.emit(picture)
        self._session.set_scene(scene)
        if scene.scale is not None:
            self.form.scale.used(scene.scale.diameter)
        text, badge = result_of(scene)
        self._tell(f"{text} {NEXT}", badge)
        if scene.kind == "cell" and is_field(scene.shape, scene.explorer):
            self.question.ask(FIELD, "Find the white cells", self._read_as_field, no="It is one cell")

    def _read_as_field(self) -> None:
        self.form.read_as("cells")
        self.analyse()

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


def read(
    explorer: Explorer, picture: Picture, options: dict[str, Any], name: str, progress: JobProgress
) -> Scene | MissingWeights:
    """Read a picture in a job; or return which weights are missing."""
    from napari_cytosae._imports import READING, import_heavy

    import_heavy(READING)
    from cytosae_toolkit.explore.analysing import analyse
    from napari_cytosae._sources import missing_weights

    if "backbone" not in vars(explorer) and (missing := missing_weights(explorer)) is not None:
        return missing
    return analyse(explorer, picture.field, name=name, progress=progress, **options)


def result_of(scene: Scene) -> tuple[str, str]:
    """Return what was found, and the badge of images that the model does not know; empty where there is no need."""
    n, height, width = len(scene.parts), *scene.shape
    what = {"cell": "cell", "cells": "white cell", "boxes": "box", "windows": "window"}[scene.kind]
    many = {"box": "boxes"}.get(what, f"{what}s")
    verb = "found" if scene.kind == "cells" else "read"
    text = f"{n} {what if n == 1 else many} {verb} in {width} x {height} pixels{size_of(scene)}."
    if scene.scale is not None and not scene.scale.is_certain:
        text += " The scale is a guess: draw a line across a red cell."
    if scene.approximate:
        text += " Approximate: windows are unlike the training images."
    n_unlike = sum(bool(part.image.unlike) for part in scene.parts)
    badge = "" if not n_unlike else f"⚠ {n_unlike} of {n} unlike the model's training images: read with care."
    return text, badge


def size_of(scene: Scene) -> str:
    """Return by which size of red cells a field was read, as the end of a sentence; empty where it did not count."""
    if scene.scale is None:
        return ""
    estimated = "" if math.isinf(scene.scale.certainty) else " (estimated)"
    return f"; red cells taken to be {scene.scale.diameter:.0f} pixels wide{estimated}"
