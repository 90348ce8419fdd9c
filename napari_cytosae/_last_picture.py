"""The picture that was read last, to go on with after the viewer was closed. No Qt."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _kept
from napari_cytosae._regions import Drawn


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
    latents : tuple of int or None
        By slot: which were chosen.
    regions : dict of str to list of (str, corners)
        As `napari_cytosae._regions.regions_drawn` returns them.
    """

    picture: Path
    reader: str
    source: Path
    kind: str
    latents: tuple[int | None, ...] = ()
    regions: dict[str, list[Drawn]] = field(default_factory=dict)

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


def remember_picture(
    layer: Any,
    source: Path | None,
    kind: str,
    latents: Sequence[int | None] = (),
    regions: Mapping[str, Sequence[Drawn]] | None = None,
) -> None:
    """Keep in mind that a layer's picture was read; one that came from no file is passed over.

    Parameters
    ----------
    layer : napari layer
        Of the picture.
    source, kind, latents, regions
        As in `LastPicture`.
    """
    picture = file_of(layer)
    if picture is not None and source is not None and picture.exists():
        reader = layer.source.reader_plugin or "napari"
        path = str(Path(source).absolute())
        record = {"picture": str(picture), "reader": reader, "source": path, "kind": kind}
        _kept.remember_picture({**record, "latents": list(latents), "regions": dict(regions or {})})


def last_picture() -> LastPicture | None:
    """Return the picture that was read last, if it and what it was read with are still there."""
    kept = _kept.picture()
    if kept is None:
        return None
    picture, source = Path(kept["picture"]), Path(kept["source"])
    if not (picture.exists() and source.exists()):
        return None
    return LastPicture(picture, kept["reader"], source, kept["kind"], _latents(kept), _regions(kept))


def _latents(kept: dict[str, Any]) -> tuple[int | None, ...]:
    known = kept.get("latents")
    return tuple(latent if isinstance(latent, int) else None for latent in known) if isinstance(known, list) else ()


def _regions(kept: dict[str, Any]) -> dict[str, list[Drawn]]:
    """Return the regions of a record; none where it is damaged."""
    try:
        return {
            letter: [(str(kind), [[float(value) for value in corner] for corner in corners]) for kind, corners in drawn]
            for letter, drawn in kept.get("regions", {}).items()
        }
    except (AttributeError, TypeError, ValueError):
        return {}
