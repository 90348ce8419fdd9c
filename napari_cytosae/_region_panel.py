"""Regions to draw over a picture, and the concepts by which they differ; the whole picture's while there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cytosae._answers import Answer
from napari_cytosae._jobs import Job, run_job
from napari_cytosae._listening import Listening
from napari_cytosae._pieces import pause, plain_label
from napari_cytosae._regions import LETTERS, SHAPES, Letter, draw_region, find_region, mask_of, outlines
from napari_cytosae._rows import CONTRAST, strength_column
from napari_cytosae._session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Shapes

    from cytosae_toolkit.explore.scene import Scene
    from napari_cytosae._pixels import Picture

Polygons = list[NDArray[np.float64]]

IN_PICTURE = strength_column("on the strongest patch of this picture")
CALLED: dict[Letter, str] = {"A": "region 1", "B": "region 2"}
"""What regions are called on screen."""
HOW = {
    "polygon": "Click corner after corner in the picture; a double click ends the outline.",
    "ellipse": "Drag in the picture, from one corner of the ellipse to the other.",
    "rectangle": "Drag in the picture, from one corner to the other.",
}
"""How each of `SHAPES` is drawn."""
PAUSE = 200
"""Milliseconds after a change of a region's outline before it is asked again."""


class RegionPanel(Listening, QWidget):
    """Buttons that draw one or two regions, and the concepts by which they differ; else those of the whole picture.

    Parameters
    ----------
    viewer : ViewerModel
        Where regions are drawn.
    session : Session
        Holds the picture.

    Attributes
    ----------
    redrawn : Signal
        Regions were drawn, changed or deleted.
    """

    redrawn = Signal()

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        super().__init__()
        self.viewer, self.session = viewer, session
        self._picture: Picture | None = None
        self._job: Job[pd.DataFrame] | None = None
        self._followed: list[Shapes] = []
        self._turned = False
        self.shapes = QComboBox()
        self.shapes.addItems(SHAPES)
        self.shapes.setToolTip("What is drawn next.")
        self.draw = {letter: self._button(letter) for letter in LETTERS}
        self.turn = QPushButton("⇄")
        self.turn.setToolTip("Rank by region 2 against region 1 instead of region 1 against region 2.")
        self.turn.clicked.connect(self._turn)
        self.drop = QPushButton("✕")
        self.drop.setToolTip("Delete both regions.")
        self.drop.clicked.connect(self._delete)
        self.alike = QPushButton("More like this region")
        self.alike.setToolTip("Find cells of the atlas that share what region 1 contains, or else the clicked patch.")
        self.hint = plain_label()
        self.hint.hide()
        self.answer = Answer(session, IN_PICTURE, "")
        self._lay_out()
        self._pause = pause(self, PAUSE, self.ask)
        self._pause.timeout.connect(self._tell_redrawn)
        self.listen(session.scene_changed, self.ask)
        self.listen(session.view_changed, self.ask)

    def _button(self, letter: Letter) -> QPushButton:
        button = QPushButton(CALLED[letter].capitalize())
        button.setToolTip(
            f"Draw {CALLED[letter]} over the picture; one is compared with what surrounds it, two with each other."
        )
        button.clicked.connect(lambda: self.start(letter))
        return button

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.addWidget(QLabel("Draw"))
        row.addWidget(self.shapes)
        for button in (*self.draw.values(), self.turn, self.drop):
            row.addWidget(button)
        row.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.hint)
        layout.addWidget(self.answer)
        layout.addWidget(self.alike)

    # Regions

    def show_on(self, picture: Picture | None) -> None:
        """Say what the session's scene is read from; call it before `Session.set_scene`."""
        self._picture = picture

    def start(self, letter: Letter) -> None:
        """Let the user draw a region."""
        draw_region(self.viewer, letter, self.shapes.currentText(), self._picture)
        self._hear_layers()
        self.say(HOW[self.shapes.currentText()])

    def say(self, hint: str) -> None:
        """Say what to do next; nothing if empty."""
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))

    def _turn(self) -> None:
        self._turned = not self._turned
        self.ask()

    def _delete(self) -> None:
        for letter in LETTERS:
            layer = find_region(self.viewer, letter)
            if layer is not None:
                self.viewer.layers.remove(layer)

    def polygons(self) -> dict[Letter, Polygons]:
        """Return the regions that are drawn, in data coordinates of the picture."""
        found = {}
        for letter in LETTERS:
            layer = find_region(self.viewer, letter)
            if layer is not None and self._picture is not None and (drawn := outlines(layer, self._picture)):
                found[letter] = drawn
        return found

    # Layers; napari's events are not psygnal's, so they are not for `listen`

    def showEvent(self, event: QShowEvent | None) -> None:
        """Hear what is drawn."""
        super().showEvent(event)
        self.viewer.layers.events.inserted.connect(self._hear_layers)
        self.viewer.layers.events.removed.connect(self._hear_layers)
        self._hear_layers()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Hear nothing any more."""
        super().hideEvent(event)
        self.viewer.layers.events.inserted.disconnect(self._hear_layers)
        self.viewer.layers.events.removed.disconnect(self._hear_layers)
        self._hear(())

    def _hear_layers(self, _: Any = None) -> None:
        layers = [layer for letter in LETTERS if (layer := find_region(self.viewer, letter)) is not None]
        if layers != self._followed:
            self._hear(layers)
            self._wait()

    def _hear(self, layers: Sequence[Shapes]) -> None:
        for layer in self._followed:
            layer.events.data.disconnect(self._wait)
        self._followed = list(layers)
        for layer in self._followed:
            layer.events.data.connect(self._wait)

    def _wait(self, _: Any = None) -> None:
        self._pause.start()

    def _tell_redrawn(self) -> None:
        if self.polygons():
            self.say("")
        self.redrawn.emit()

    # Answers

    def ask(self) -> None:
        """Rank the concepts of the regions, or of the whole picture; an earlier question is given up."""
        if self._job is not None:
            self._job.cancel()
        scene, atlas, regions = self.session.scene, self.session.atlas, self.polygons()
        self.alike.setEnabled(scene is not None and atlas is not None and atlas.has_images)
        self.turn.setEnabled(len(regions) == 2)
        self.drop.setEnabled(any(find_region(self.viewer, letter) is not None for letter in LETTERS))
        if scene is None:
            self._tell("Whole picture", "No picture has been read yet.")
            return
        hide, letters = self.session.hide_everywhere, sorted(regions, reverse=self._turned)
        heading = heading_of(letters)
        chosen = [regions[letter] for letter in letters]
        self._job = run_job(
            self,
            lambda _: rank(scene, chosen, hide),
            lambda table: self._show(heading, table),
            failed=lambda text: self._tell(heading, text),
        )

    def _show(self, heading: str, table: pd.DataFrame) -> None:
        self.answer.list.empty = "No concept stands out."
        value = str(table.columns[0])
        column = CONTRAST if value == "score" else IN_PICTURE
        self.answer.show_table(heading, self.session.visible(table), value, column)

    def _tell(self, heading: str, text: str) -> None:
        self.answer.list.empty = text
        self.answer.forget(heading)


def _called(letter: Letter) -> str:
    return CALLED[letter].capitalize()


def heading_of(letters: Sequence[Letter]) -> str:
    """Return what is compared."""
    match letters:
        case []:
            return "Whole picture"
        case [one]:
            return f"{_called(one)} against what surrounds it"
        case [one, other, *_]:
            return f"{_called(one)} against {CALLED[other]}"
    raise ValueError(letters)


def rank(scene: Scene, regions: Sequence[Polygons], hide_everywhere: bool) -> pd.DataFrame:
    """Rank the latents of a picture, or those that are more active in the first region; for a thread.

    Parameters
    ----------
    scene : Scene
        The picture.
    regions : sequence of lists of polygons
        None, one or two, in data coordinates.
    hide_everywhere : bool
        Leave out latents that fire everywhere.

    Returns
    -------
    DataFrame
        Index `latent`; the first column is what it is sorted by: `max`, the activation on the picture's strongest
        patch, or `score`, the contrast of regions.
    """
    if not regions:
        found = scene.latents(hide_everywhere=hide_everywhere)[["max"]]
        return found.sort_values("max", ascending=False, kind="stable")
    masks = [mask_of(polygons, scene.shape) for polygons in regions]
    return scene.rank_region(*masks, n=None, hide_everywhere=hide_everywhere)
