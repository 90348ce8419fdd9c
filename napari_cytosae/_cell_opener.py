"""Opens a cell as a layer of the viewer, from its file or as the atlas holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_cytosae._cells import Cell
from napari_cytosae._jobs import Job, run_job, show_problem
from napari_cytosae._originals import Original, known_folders, read_original

if TYPE_CHECKING:
    from napari_cytosae._session import Session

MARK = "cytosae_cell"
"""Key in a layer's metadata: which cell it shows."""


class CellOpener(QObject):
    """Opens cells.

    Parameters
    ----------
    viewer : napari viewer
        Gets the layers.
    session : Session
        Holds the atlas.

    Attributes
    ----------
    analyse : callable (layer) -> None, or None
        Reads a layer as one cell and shows its heat map; by default nothing does.
    read : callable (Cell) -> Original or None
        Finds the pixels of a cell, in a thread; by default in the session's atlas.
    """

    def __init__(self, viewer: Any, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self._job: Job[Any] | None = None
        self.analyse: Callable[[Any], None] | None = None
        self.read: Callable[[Cell], Original | None] = self._read_from_atlas

    def open(self, cell: Cell) -> None:
        """Open a cell, or choose its layer if it is open."""
        atlas = self._session.atlas
        mark = (str(atlas.path) if atlas is not None else "", cell.patient, cell.id)
        open_already = [layer for layer in self._viewer.layers if layer.metadata.get(MARK) == mark]
        self.cancel()
        if open_already:
            self._show(open_already[0])
            return
        self._job = run_job(self, lambda _: self.read(cell), lambda found: self._add(cell, mark, found))

    def cancel(self) -> None:
        """Open nothing that was asked for and is not there yet."""
        if self._job is not None:
            self._job.cancel()

    def _read_from_atlas(self, cell: Cell) -> Original | None:
        atlas = self._session.atlas
        return None if atlas is None else read_original(atlas, cell.row, known_folders(atlas))

    def _add(self, cell: Cell, mark: tuple[str, str, str], found: Original | None) -> None:
        if found is None:
            show_problem(f"The image {cell.id} is neither in the atlas nor where it was.")
            return
        name = " · ".join(text for text in (cell.label.replace("_", " "), cell.id) if text)
        source = "the picture that the atlas holds" if found.path is None else str(found.path)
        metadata = {MARK: mark, "source": source}
        self._show(self._viewer.add_image(found.pixels, name=name, rgb=True, metadata=metadata))

    def _show(self, layer: Any) -> None:
        for other in self._viewer.layers:
            if other is not layer and MARK in other.metadata:
                other.visible = False
        layer.visible = True
        self._viewer.layers.selection.active = layer
        self._viewer.reset_view()
        if self.analyse is not None:
            self.analyse(layer)
