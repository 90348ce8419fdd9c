"""Going on where the viewer was closed: what is looked at is kept in mind, and restored when the user asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_cytosae._last_picture import LastPicture, file_of, remember_picture
from napari_cytosae._pieces import pause
from napari_cytosae._regions import regions_drawn, restore_regions
from napari_cytosae._session import SLOTS

if TYPE_CHECKING:
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session

KEEP_MS = 400
"""After a change until it is on disk, milliseconds."""


class CarryOn(QObject):
    """Keeps in mind which picture is looked at, by which concepts, with which regions; and restores these.

    Parameters
    ----------
    viewer : napari viewer
        In which regions are drawn.
    session : Session
        Whose concepts.
    parent : QObject
        With which this goes.

    Attributes
    ----------
    wanted : LastPicture or None
        What is to be restored, once its atlas is open and its picture was read.
    """

    def __init__(self, viewer: Any, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self._read: tuple[Any, Path | None, str] | None = None
        self._pause = pause(self, KEEP_MS, self.keep)
        self.wanted: LastPicture | None = None

    def picture_read(self, picture: Picture, source: Path | None, kind: str) -> None:
        """Draw the regions that are wanted over a picture that was read, and keep it in mind."""
        wanted, self.wanted = self.wanted, None
        if wanted is not None and file_of(picture.layer) == wanted.picture:
            restore_regions(self._viewer, wanted.regions, picture)
        self._read = picture.layer, source, kind
        self._write(*self._read)

    def restore_concepts(self) -> None:
        """Choose the concepts that are wanted, as far as the atlas that is open now has them."""
        session = self._session
        there = session.atlas or session.explorer
        if self.wanted is None or there is None:
            return
        for slot, latent in enumerate(self.wanted.latents[:SLOTS]):
            if latent is not None and 0 <= latent < there.d_sae:
                session.choose(latent, slot)

    def keep_soon(self, *_: object) -> None:
        """Keep in mind what changed, once it stays so for a moment."""
        self._pause.start()

    def keep(self) -> None:
        """Keep in mind what is looked at; nothing while no picture is."""
        if self._read is not None and self._session.scene is not None:
            self._write(*self._read)

    def _write(self, layer: Any, source: Path | None, kind: str) -> None:
        latents = [self._session.latent(slot) for slot in range(SLOTS)]
        remember_picture(layer, source, kind, latents, regions_drawn(self._viewer))
