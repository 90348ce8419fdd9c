"""Which concepts a patch, a region or the whole picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSplitter, QVBoxLayout, QWidget

from napari_cytosae._alike import AlikePanel, asked_region
from napari_cytosae._answers import Answer
from napari_cytosae._cell_opener import CellOpener
from napari_cytosae._filters import everywhere_box
from napari_cytosae._listening import Listening
from napari_cytosae._region_panel import RegionPanel
from napari_cytosae._rows import strength_column
from napari_cytosae._session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from cytosae_toolkit.explore.scene import Scene, Spot
    from napari_cytosae._pixels import Picture

ACTIVATION = strength_column("on this patch")


class AskPanel(Listening, QWidget):
    """The concepts under the cursor, of the patch that was clicked, and of a region or else of the whole picture.

    Parameters
    ----------
    viewer : ViewerModel
        Where regions are drawn.
    session : Session
        Holds picture, patches and filters.
    """

    def __init__(self, viewer: ViewerModel, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer, self.session = viewer, session
        self.hovered = Answer(session, ACTIVATION, "Point at a cell of a picture that was read (see Load).")
        self.pinned = Answer(session, ACTIVATION, "Click on such a cell to keep a patch and its concepts here.")
        self.asked = RegionPanel(viewer, session)
        self.parts = QSplitter(Qt.Orientation.Vertical)
        for part in (self.hovered, self.pinned, self.asked):
            self.parts.addWidget(part)
            self.parts.setCollapsible(self.parts.count() - 1, False)
        self.opener, self.alike = CellOpener(viewer, session, self), AlikePanel(session)
        self.alike.opened.connect(self.opener.open)
        self.alike.closed.connect(self._show_answers)
        self.asked.alike.clicked.connect(self.look_alike)
        self._picture: Picture | None = None
        self._alike_to: tuple[Scene | None, Spot | None] = (None, None)
        self._newest: QWidget = self.asked
        self._moved = False
        self.parts.splitterMoved.connect(self._leave_room)
        self.asked.redrawn.connect(lambda: self._give_room(self.asked))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(everywhere_box(session))
        layout.addWidget(self.parts, 1)
        layout.addWidget(self.alike, 1)
        self._last: Spot | None = None
        self.listen(session.scene_changed, self._forget)
        self.listen(session.spot_changed, self._show_hovered)
        self.listen(session.pinned_changed, self._pin)
        self.listen(session.view_changed, self._show_both)

    def show_on(self, picture: Picture | None) -> None:
        """Say what the session's scene is read from, for regions; call it before `Session.set_scene`."""
        self._picture = picture
        self.asked.show_on(picture)
        if picture is None and not self.alike.isHidden():
            self.alike.close_cells()

    def look_alike(self) -> None:
        """Show cells of the atlas like region 1, or like the clicked patch, in the place of the concepts."""
        scene = self.session.scene
        found = None if scene is None else asked_region(self.viewer, self._picture, scene, self.session.pinned)
        if found is None:
            self.asked.say("Click a patch of the picture, or draw region 1, and ask again.")
        else:
            self._alike_to = scene, self.session.pinned
            self.parts.hide()
            self.alike.look(*found)

    def _show_answers(self) -> None:
        self._alike_to = None, None
        self.parts.show()

    def _check_alike(self) -> None:
        """Put similar cells away once another picture, or another patch, is asked about."""
        scene, pinned = self.session.scene, self.session.pinned
        if not self.alike.isHidden() and (scene is not self._alike_to[0] or pinned not in (None, self._alike_to[1])):
            self.alike.close_cells()

    def _forget(self) -> None:
        self._last = None
        self.hovered.forget("Under the cursor")
        self._pin()

    def _show_both(self) -> None:
        self._show_hovered()
        self._show_pinned()
        self._give_room(self._newest)

    def _show_hovered(self) -> None:
        """Show the patch under the cursor; once it is left, the last one stays, so that its list can be clicked."""
        self._last = self.session.spot or self._last
        before = len(self.hovered.list.latents)
        self._show(self.hovered, "Under the cursor", self._last)
        if bool(before) != bool(len(self.hovered.list.latents)):
            self._give_room(self._newest)

    def _show_pinned(self) -> None:
        self._show(self.pinned, "Clicked patch", self.session.pinned)

    def _pin(self) -> None:
        self._check_alike()
        self._show_pinned()
        self._give_room(self.asked if self.session.pinned is None else self.pinned)

    # Who has how much room

    def _leave_room(self, *_: int) -> None:
        self._moved = True

    def _give_room(self, newest: QWidget) -> None:
        """Fold what is empty, and let the newest answer have twice the height of others, unless heights were chosen."""
        self._newest = newest
        for answer in (self.hovered, self.pinned):
            answer.fold()
        if self._moved:
            return
        shares = [len(answer.list.latents) > 0 for answer in (self.hovered, self.pinned)]
        parts = (self.hovered, self.pinned, self.asked)
        weights = [share * (2 if part is newest else 1) for share, part in zip([*shares, True], parts, strict=True)]
        self.parts.setSizes([1000 * weight for weight in weights])

    def _show(self, answer: Answer, heading: str, spot: Spot | None) -> None:
        scene = self.session.scene
        if scene is None or spot is None:
            answer.forget(heading)
            return
        table = scene.top_latents(spot, None, hide_everywhere=self.session.hide_everywhere)
        answer.show_table(f"{heading}: {place_of(scene, spot)}", self.session.visible(table), "activation")


def place_of(scene: Scene, spot: Spot) -> str:
    """Return where a patch is, counted from 1."""
    patch = f"row {spot.row + 1}, column {spot.column + 1}"
    if len(scene.parts) == 1:
        return patch
    what = {"cells": "cell", "boxes": "box", "windows": "window"}.get(scene.kind, "part")
    return f"{what} {spot.part + 1}, {patch}"
