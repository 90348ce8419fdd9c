"""Cells of the atlas that share what a region, or a clicked patch, contains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from cytosae_toolkit.progress import Progress
from napari_cytosae._cells import Cell, similar_cells
from napari_cytosae._grid import CellGrid
from napari_cytosae._jobs import Job, run_job
from napari_cytosae._listening import Listening
from napari_cytosae._made import made
from napari_cytosae._pictures import AtlasPictures
from napari_cytosae._pieces import plain_label
from napari_cytosae._regions import find_region, mask_of, outlines
from napari_cytosae._thumbnails import Thumbnails

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore.image import LoadedImage
    from cytosae_toolkit.explore.scene import Part, Scene, Spot
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session

N_ALIKE = 12

Asked = tuple["LoadedImage", NDArray[np.bool_], str]
"""A part of a picture; a region of its patch grid's shape, or of its own in pixels; what the region is called."""


class AlikePanel(Listening, QWidget):
    """Similar cells, as many in a line as fit; hidden until they are asked for.

    Parameters
    ----------
    session : Session
        Holds the atlas.

    Attributes
    ----------
    opened : Signal(object)
        A cell was double-clicked.
    closed : Signal()
        The cells were put away.
    """

    opened, closed = Signal(object), Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._atlas: Atlas | None = None
        self._job: Job[Any] | None = None
        self.title = plain_label()
        self.thumbnails = Thumbnails(self)
        self.grid = CellGrid(self.thumbnails)
        self.grid.opened.connect(self.opened)
        self.back = made(QPushButton("Back"), toolTip="Put the similar cells away, and show the concepts again.")
        self.back.clicked.connect(self.close_cells)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.back, 0, Qt.AlignmentFlag.AlignTop)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addLayout(head)
        box.addWidget(self.grid, 1)
        self.hide()
        self.listen(session.source_changed, self._show_source)

    def look(self, image: LoadedImage, region: NDArray[np.bool_], what: str = "this region") -> None:
        """Show cells of the atlas that share the latents of a region; the arguments are those of `Asked`."""
        explorer, atlas = self._session.explorer, self._session.atlas
        if explorer is None or atlas is None:
            return
        self._empty()
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

    def _show_source(self) -> None:
        atlas = self._session.atlas
        if atlas is not self._atlas or atlas is None:
            self._atlas = atlas
            self._empty()
            self.thumbnails.set_pictures(None if atlas is None else AtlasPictures(atlas, self._session.explorer))

    def close_cells(self) -> None:
        """Put the cells away."""
        self._empty()
        self.hide()
        self.closed.emit()

    def _empty(self) -> None:
        if self._job is not None:
            self._job.cancel()
        self.grid.show_cells([], None)


def asked_region(viewer: Any, picture: Picture | None, scene: Scene, pinned: Spot | None) -> Asked | None:
    """Return region 1, else the patch that was clicked; None where there is neither."""
    drawn = drawn_region(viewer, picture, scene)
    if drawn is not None:
        return drawn[0].image, drawn[1], "region 1"
    if pinned is None:
        return None
    image = scene.parts[pinned.part].image
    patch = np.zeros(image.grid, dtype=bool)
    patch[pinned.row, pinned.column] = True
    return image, patch, "the clicked patch"


def drawn_region(viewer: Any, picture: Picture | None, scene: Scene) -> tuple[Part, NDArray[np.bool_]] | None:
    """Return the part of the picture that the first region covers most, and the region in its pixels, bool [h, w]."""
    layer = find_region(viewer, "A")
    if layer is None or picture is None:
        return None
    mask = mask_of(outlines(layer, picture), scene.shape)
    crops = [mask[y0:y1, x0:x1] for x0, y0, x1, y1 in (part.box for part in scene.parts)]
    best = max(range(len(crops)), key=lambda i: int(crops[i].sum()))
    return (scene.parts[best], crops[best]) if crops[best].any() else None
