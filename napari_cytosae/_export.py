"""Saving: the view, heat maps, tables and montages; nothing is replaced without asking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._export_files import concept_table, write_montage, write_table
from napari_cytosae._export_heat import About, Concept, world_of, write_heat_tiff, write_heat_zarr
from napari_cytosae._export_shot import photograph
from napari_cytosae._export_view import Bar, framed
from napari_cytosae._jobs import Job, JobProgress, run_job
from napari_cytosae._listening import Listening
from napari_cytosae._made import made
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._pieces import plain_label
from napari_cytosae._pixels import picture_of

if TYPE_CHECKING:
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session

ABOUT = {
    "view": ("View…", "What the viewer shows of the picture, with colour bar and caption, as PNG."),
    "heat": ("Heat map…", "Pattern strength of each patch as numbers, with scale and place: TIFF or Zarr."),
    "table": ("Table…", "The concepts of this picture, or of the atlas while none was read, as CSV."),
    "montage": ("Montage…", "Reference cells of the chosen concepts for a slide, as PNG, PDF or SVG."),
}

RESOLUTIONS = (
    ("as on the screen", None),
    ("the picture's own pixels", 1.0),
    ("twice the picture's pixels", 2.0),
    ("four times the picture's pixels", 4.0),
)
"""Text, and pixels of the saved view for one of the picture; None: those of the screen."""

TURNED = (
    "The picture is turned, sheared or mirrored: size and place of a cell are exact, its direction stands in the "
    "metadata (affine)."
)
CUT = "It is the part of the picture that the view shows: Home in the lower left shows the whole picture."
SMALLER = "It has {:.0%} of the pixels a side that were asked for: more are not drawn at once."


class ExportPanel(Listening, QWidget):
    """Saves what is looked at.

    Parameters
    ----------
    viewer : napari viewer
        What is photographed.
    session : Session
        What is looked at.
    """

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self._picture: Picture | None = None
        self._job: Job[Any] | None = None
        self.buttons = {name: made(QPushButton(text, self), toolTip=about) for name, (text, about) in ABOUT.items()}
        self.about, self.message = plain_label(), plain_label()
        self.resolution = made(QComboBox(self), toolTip="Pixels of a saved view. What is seen is the same.")
        for text, enlarged in RESOLUTIONS:
            self.resolution.addItem(text, enlarged)
        actions = (self.save_view, self.save_heat, self.save_table, self.save_montage)
        for button, action in zip(self.buttons.values(), actions, strict=True):
            button.clicked.connect(lambda _=False, action=action: action())
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for name, button in self.buttons.items():
            row = grid.rowCount()
            grid.addWidget(button, row, 0)
            grid.addWidget(made(QLabel(ABOUT[name][1]), wordWrap=True), row, 1)
            if name == "view":
                grid.addWidget(self.resolution, row + 1, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        box.addWidget(self.about)
        box.addLayout(grid)
        box.addWidget(self.message)
        box.addStretch(1)
        for signal in (session.source_changed, session.scene_changed):
            self.listen(signal, self._enable)
        self.listen(session.latent_changed, self._enable, 0)
        self.listen(session.names_changed, self._enable)

    def _enable(self, *_: object) -> None:
        session = self._session
        chosen = bool(self._latents())
        pictures = session.atlas is not None and session.atlas.has_images
        self.buttons["heat"].setEnabled(chosen and session.scene is not None)
        self.buttons["table"].setEnabled(session.scene is not None or session.atlas is not None)
        self.buttons["montage"].setEnabled(chosen and pictures)
        self.about.setText(self._what())

    def _what(self) -> str:
        """Say what would be saved."""
        picture = self._picture_name() if self._session.scene is not None else ""
        named = " and ".join(concept.name for concept in self._concepts())
        return f"Concept: {named or 'none is chosen'}. Picture: {picture or 'none was read'}."

    def show_on(self, picture: Picture | None) -> None:
        """Say which layer the session's scene is read from."""
        self._picture = picture

    def _latents(self) -> list[int]:
        return [concept.latent for concept in self._concepts()]

    # What is saved

    def save_view(self, path: Path | None = None) -> None:
        """Save what the viewer shows of the picture, with colour bar and caption."""
        path = self._path(path, "Save the view", "view", [".png"])
        if path is None:
            return
        shot = photograph(self._viewer, self._shown(), self.resolution.currentData(), self.devicePixelRatioF())
        image = framed(shot.image, self._bars(), self._caption())
        remark = " ".join([CUT] * shot.cut + [SMALLER.format(shot.reduced)] * (shot.reduced != 1))

        def write(_: JobProgress) -> None:
            from cytosae_toolkit.files import atomic_path

            with atomic_path(path) as temporary:
                if not image.save(str(temporary), "PNG"):
                    raise CytosaeError(f"{path} cannot be written.", "Choose another folder.")

        self._write(path, write, remark)

    def _shown(self) -> Picture | None:
        """Return the picture that the view is about: the one that was read, else the chosen layer's."""
        layers = self._viewer.layers
        if self._picture is not None and self._picture.layer in layers:
            return self._picture
        try:
            return None if layers.selection.active is None else picture_of(layers.selection.active, self._viewer.dims)
        except CytosaeError:  # another kind of layer
            return None

    def save_heat(self, path: Path | None = None) -> None:
        """Save the heat maps of the chosen latents, one channel each."""
        scene, latents = self._session.scene, self._latents()
        if scene is None or not latents:
            return
        path = self._path(path, "Save the heat map", _numbered(latents), [".tif", ".zarr"])
        if path is None:
            return
        heats = [scene.heat(latent) for latent in latents]
        about, world = About(self._concepts(), self._picture_name(), scene.kind), world_of(self._picture, heats[0])
        write_heat = write_heat_zarr if path.suffix.lower() == ".zarr" else write_heat_tiff
        self._write(path, lambda _: write_heat(path, heats, about, world), "" if world.straight else TURNED)

    def save_table(self, path: Path | None = None) -> None:
        """Save the concepts of the picture, or of the atlas."""
        path = self._path(path, "Save the table", "concepts", [".csv"])
        if path is not None:
            name = self._picture_name()
            self._write(path, lambda _: write_table(path, concept_table(self._session, name)))

    def save_montage(self, path: Path | None = None) -> None:
        """Save the reference cells of the chosen latents."""
        atlas, latents = self._session.atlas, self._latents()
        if atlas is None or not latents:
            return
        path = self._path(path, "Save a montage", _numbered(latents), [".png", ".pdf", ".svg"])
        if path is not None:
            self._write(path, lambda _: write_montage(path, atlas, latents))

    # What is said about it

    def _concepts(self) -> tuple[Concept, ...]:
        """Return what is chosen, each concept once, in the colour of its slot."""
        session, found = self._session, {}
        for slot, colour in enumerate(ACCENTS):
            latent = session.latent(slot)
            if latent is not None and latent not in found:
                found[latent] = Concept(latent, session.describe(latent), session.full_scale(latent), colour)
        return tuple(found.values())

    def _bars(self) -> list[Bar]:
        threshold, opacity = self._session.threshold, self._session.opacity
        return [Bar(c.colour, c.full_scale, f"{c.name}, strength", threshold, opacity) for c in self._concepts()]

    def _caption(self) -> list[str]:
        session, scene = self._session, self._session.scene
        how = {
            "cell": "read as one cell", "cells": "white cells that were found", "boxes": "boxes that were drawn",
            "windows": "sliding windows, approximate",
        }  # fmt: skip
        lines = [" · ".join(text for text in (self._picture_name(), how[scene.kind] if scene else "") if text)]
        latents = ", ".join(f"concept {latent}" for latent in self._latents())
        where = session.atlas.path.name if session.atlas is not None else ""
        lines.append(" · ".join(text for text in (latents, where) if text))
        return [line for line in lines if line]

    def _picture_name(self) -> str:
        layer = self._viewer.layers.selection.active if self._picture is None else self._picture.layer
        return "" if layer is None else str(layer.name)

    # Writing

    def _path(self, path: Path | None, title: str, name: str, suffixes: Sequence[str]) -> Path | None:
        """Return where to write; None if the user thinks better of it."""
        if path is None:
            kinds = ";;".join(f"{suffix[1:].upper()} (*{suffix})" for suffix in suffixes)
            options = QFileDialog.Option.DontConfirmOverwrite
            text, kind = QFileDialog.getSaveFileName(self, title, f"{name}{suffixes[0]}", kinds, options=options)
            if not text:
                return None
            path = with_suffix(Path(text), suffixes, kind)
        if path.exists() and not self._may_replace(path):
            return None
        return path

    def _may_replace(self, path: Path) -> bool:
        question = f"{path.name} exists in {path.parent}. Replace it?"
        return QMessageBox.question(self, "Replace?", question) == QMessageBox.StandardButton.Yes

    def _write(self, path: Path, write: Callable[[JobProgress], None], remark: str = "") -> None:
        if not path.parent.is_dir():
            self.message.setText(f"There is no folder {path.parent}. Choose one that exists.")
            return
        said = f"Saved {path}. {remark}".rstrip()
        self.message.setText(f"Writing {path.name}…")
        self._job = run_job(self, write, lambda _: self.message.setText(said), failed=self.message.setText)


def _numbered(latents: Sequence[int]) -> str:
    return "-".join(["concept", *map(str, latents)])


def with_suffix(path: Path, suffixes: Sequence[str], kind: str = "") -> Path:
    """Return a path with one of the suffixes: its own, else that of the kind chosen in the dialog."""
    own = path.suffix.lower()
    if own in suffixes or (own == ".tiff" and ".tif" in suffixes):
        return path
    chosen = next((suffix for suffix in suffixes if f"*{suffix})" in kind), suffixes[0])
    return path.with_name(path.name + chosen)
