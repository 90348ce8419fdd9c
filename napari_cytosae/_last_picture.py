"""The picture that was read last, to go on with after the viewer was closed. No Qt."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _kept


@dataclass(frozen=True)
class LastPicture:
    """A picture in a file, and what it was read with.

    Parameters
    ----------
    picture : Path
        The file.
    reader : str
        napari's plugin that opened it.
    source : Path
        The atlas or run.
    kind : str
        How it was read, as `cytosae_toolkit.explore.scene.KINDS`.
    """

    picture: Path
    reader: str
    source: Path
    kind: str

    def show_in(self, viewer: Any) -> None:
        """Add the picture to a viewer, or choose its layer if it is there.

        Raises
        ------
        CytosaeError
            If it cannot be opened any more.
        """
        there = [layer for layer in viewer.layers if file_of(layer) == self.picture]
        if there:
            viewer.layers.selection.active = there[0]
            return
        try:
            viewer.open(str(self.picture), plugin=self.reader)
        except Exception as error:  # whatever a reader may raise
            logging.getLogger(__name__).info("%s was not read.", self.picture, exc_info=True)
            raise CytosaeError(f"{self.picture.name} could not be opened again.", "File > Open may do it.") from error


def file_of(layer: Any) -> Path | None:
    """Return the file that a layer came from; None for what a program made."""
    path = layer.source.path
    return None if path is None else Path(path).expanduser().absolute()


def remember_picture(layer: Any, source: Path | None, kind: str) -> None:
    """Keep in mind that a layer's picture was read; one that came from no file is passed over."""
    picture = file_of(layer)
    if picture is not None and source is not None and picture.exists():
        reader = layer.source.reader_plugin or "napari"
        _kept.remember_picture(
            {"picture": str(picture), "reader": reader, "source": str(Path(source).absolute()), "kind": kind}
        )


def last_picture() -> LastPicture | None:
    """Return the picture that was read last, if it and what it was read with are still there."""
    kept = _kept.picture()
    if kept is None:
        return None
    last = LastPicture(Path(kept["picture"]), kept["reader"], Path(kept["source"]), kept["kind"])
    return last if last.picture.exists() and last.source.exists() else None
