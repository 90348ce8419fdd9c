"""Cells of the atlas that share what a region, or a clicked patch, contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from cytosae_toolkit.progress import Progress
from napari_cytosae._cells import Cell, similar_cells
from napari_cytosae._grid import CellGrid
from napari_cytosae._jobs import Job, run_job
from napari_cytosae._made import made
from napari_cytosae._pieces import plain_label

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore.image import LoadedImage
    from cytosae_toolkit.explore.scene import Part, Scene
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session
    from napari_cytosae._thumbnails import Thumbnails

N_ALIKE = 12


class AlikeRow(QWidget):
    """A row of similar cells; hidden until it is asked for.

    Parameters
    ----------
    session : Session
        Holds the atlas.
    thumbnails : Thumbnails
        Makes the pictures of cells.

    Attributes
    ----------
    opened : Signal(object)
        A cell was double-clicked.
    """

    opened = Signal(object)

    def __init__(self, session: Session, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._job: Job[Any] | None = None
        self.title = plain_label()
        self.grid = CellGrid(thumbnails, one_line=True)
        self.grid.opened.connect(self.opened)
        shut = made(QToolButton(), text="×", toolTip="Put the similar cells away.", autoRaise=True)
        shut.clicked.connect(self.forget)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(shut, 0, Qt.AlignmentFlag.AlignTop)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addLayout(head)
        box.addWidget(self.grid)
        self.hide()

    def look(self, image: LoadedImage, region: NDArray[np.bool_], what: str = "this region") -> None:
        """Show cells of the atlas that share the latents of a region.

        Parameters
        ----------
        image : LoadedImage
            One part of a scene.
        region : bool array
            Of its patch grid's shape, or of its own in pixels.
        what : str
            What the region is called.
        """
        explorer, atlas = self._session.explorer, self._session.atlas
        if explorer is None or atlas is None:
            return
        self.forget()
        self.show()
        self.title.setText(f"Looking for cells like {what}…")

        def find(_: Progress) -> list[Cell]:
            return similar_cells(explorer.similar_images(N_ALIKE, region=region, image=image))

        self._job = run_job(self, find, lambda cells: self._show(cells, what, atlas), failed=self.title.setText)

    def _show(self, cells: list[Cell], what: str, atlas: Atlas) -> None:
        if atlas is not self._session.atlas:
            return
        self.grid.show_cells(cells, None)
        found = f"{len(cells)} cells like {what}, most alike first" if cells else f"No cell is like {what}"
        self.title.setText(f"{found}.")

    def forget(self) -> None:
        """Put the row away."""
        if self._job is not None:
            self._job.cancel()
        self.hide()
        self.grid.show_cells([], None)


def drawn_region(viewer: Any, picture: Picture | None, scene: Scene) -> tuple[Part, NDArray[np.bool_]] | None:
    """Return the part of the picture that the first region covers most, and the region in its pixels, bool [h, w]."""
    from napari_cytosae._regions import find_region, mask_of, outlines

    layer = find_region(viewer, "A")
    if layer is None or picture is None:
        return None
    mask = mask_of(outlines(layer, picture), scene.shape)
    crops = [mask[y0:y1, x0:x1] for x0, y0, x1, y1 in (part.box for part in scene.parts)]
    best = max(range(len(crops)), key=lambda i: int(crops[i].sum()))
    return (scene.parts[best], crops[best]) if crops[best].any() else None
