"""The cells that show the chosen concept best, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cytosae._cells import Cell, find_cells
from napari_cytosae._grid import CellGrid
from napari_cytosae._jobs import Job, run_job
from napari_cytosae._listening import Listening
from napari_cytosae._pictures import AtlasPictures
from napari_cytosae._thumbnails import Thumbnails

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from napari_cytosae._session import Session

N_BEST = 4
"""Cells that stand side by side in the least width of the dock."""


class BestCells(Listening, QWidget):
    """The best reference cells of the latent in slot 0, its patches coloured; nothing where there are none.

    Parameters
    ----------
    session : Session
        What is looked at.

    Attributes
    ----------
    opened : Signal(object)
        A cell was double-clicked.
    """

    opened = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._shown: tuple[Atlas | None, int | None] = (None, None)
        self._job: Job[Any] | None = None
        self.thumbnails = Thumbnails(self)
        self.grid = CellGrid(self.thumbnails, one_line=True)
        self.grid.opened.connect(self.opened)
        self.grid.hide()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.grid)
        self.listen(session.source_changed, self._look, 0)
        self.listen(session.latent_changed, self._look, 0)

    def _look(self, slot: int = 0) -> None:
        atlas, latent = self._session.atlas, self._session.latent()
        if slot != 0 or (atlas, latent) == self._shown:
            return
        if self._job is not None:
            self._job.cancel()
        if atlas is not self._shown[0]:
            self.thumbnails.set_pictures(None if atlas is None else AtlasPictures(atlas, self._session.explorer))
        self._shown = atlas, latent
        self._show([])
        if atlas is not None and latent is not None and atlas.has_images:
            self._job = run_job(self, lambda _: find_cells(atlas, latent, "top", n=N_BEST), self._show)

    def _show(self, cells: list[Cell]) -> None:
        latent = self._shown[1]
        self.grid.setVisible(bool(cells))
        self.grid.show_cells(cells, latent, 1.0 if latent is None else self._session.full_scale(latent))
