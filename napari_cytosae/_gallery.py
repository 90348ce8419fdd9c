"""The reference gallery: cells that show the chosen concept, or do not, with their patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QApplication,
    QButtonGroup,
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from cytosae_toolkit.progress import Progress
from napari_cytosae._cell_opener import CellOpener
from napari_cytosae._cells import KINDS, Cell, Kind, Scope, find_cells, patient_names
from napari_cytosae._facts import facts_of
from napari_cytosae._gallery_words import WORDS, about_cells, none_found, nothing_open, what_is_shown
from napari_cytosae._grid import CellGrid
from napari_cytosae._jobs import Job, run_job
from napari_cytosae._listening import Listening
from napari_cytosae._made import made
from napari_cytosae._originals import add_folder, count_found, known_folders
from napari_cytosae._pictures import AtlasPictures
from napari_cytosae._pieces import escaped, plain_label
from napari_cytosae._scopes import ScopeTabs
from napari_cytosae._thumbnails import Thumbnails

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from napari_cytosae._session import Session


class Gallery(Listening, QWidget):
    """Cells of the latent in slot 0.

    Parameters
    ----------
    viewer : napari viewer
        Where images are opened.
    session : Session
        What is looked at.
    """

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self._atlas: Atlas | None = None
        self._shown: tuple[object, ...] = ()
        self._job: Job[Any] | None = None
        self.opener = CellOpener(viewer, session, self)
        self.thumbnails = Thumbnails(self)
        self._make_widgets()
        self._lay_out()
        self.listen(session.source_changed, self._show_source)
        self.listen(session.latent_changed, self._show_latent, 0)
        self.listen(session.names_changed, self._show_title)
        self.listen(session.scene_changed, self._show_able)

    # Widgets

    def _make_widgets(self) -> None:
        self.title = made(QLabel(), wordWrap=True)
        self.scopes = ScopeTabs()
        self.scopes.changed.connect(self._refresh)
        self.kinds = QButtonGroup(self)
        for i, kind in enumerate(KINDS):
            text, about = WORDS[kind]
            button = made(QRadioButton(text, self), toolTip=about, checked=not i)
            self.kinds.addButton(button, i)
        self.kinds.idClicked.connect(self._refresh)
        self.what = plain_label()
        self.patches = made(QCheckBox("Patches"), checked=True)
        self.patches.setToolTip("Colour the patches that show the concept; off: the cells as they were photographed.")
        self.patches.toggled.connect(self._refresh)
        self.grid = CellGrid(self.thumbnails)
        self.grid.opened.connect(self.opener.open)
        self.grid.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.grid.customContextMenuRequested.connect(self._show_menu)
        self.message = plain_label()
        self.alike = made(QPushButton("Cells like a region…"), enabled=False)
        self.alike.setToolTip("Under Ask: cells of the atlas that share what region 1, or the clicked patch, contains.")
        self.folders = QPushButton("Locate images…")
        self.folders.setToolTip("Say where the original images are now, if they were moved; it is remembered.")
        self.folders.clicked.connect(self._choose_folder)

    def _lay_out(self) -> None:
        kinds = QHBoxLayout()
        for button in self.kinds.buttons():
            kinds.addWidget(button)
        kinds.addStretch(1)
        kinds.addWidget(self.patches)
        actions = QHBoxLayout()
        actions.addWidget(self.alike)
        actions.addStretch(1)
        actions.addWidget(self.folders)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        for part in (self.title, self.scopes, kinds, self.what, self.grid, self.message, actions):
            if isinstance(part, QHBoxLayout):
                box.addLayout(part)
            else:
                box.addWidget(part, 1 if part is self.grid else 0)

    # What the session says

    def _show_source(self) -> None:
        atlas = self._session.atlas
        if atlas is self._atlas and atlas is not None:
            return
        self._atlas = atlas
        self.thumbnails.set_pictures(None if atlas is None else AtlasPictures(atlas, self._session.explorer))
        self.scopes.show_sets([] if atlas is None or not atlas.has_images else atlas.sets)
        self.folders.setEnabled(atlas is not None and atlas.has_images)
        if atlas is not None and atlas.has_images:
            run_job(self, lambda _: (atlas, patient_names(atlas)), self._fill_patients)
        self._refresh()

    def _fill_patients(self, found: tuple[Atlas, list[str]]) -> None:
        atlas, names = found
        if atlas is self._atlas and names:
            self.scopes.show_patients(names)

    def _show_latent(self, slot: int) -> None:
        if slot == 0:
            self._refresh()

    def _show_title(self) -> None:
        latent = self._session.latent()
        self.title.setText("" if latent is None else f"<b>{escaped(self._session.describe(latent))}</b>")
        self.title.setToolTip("" if latent is None else f"latent {latent}")

    def _show_able(self) -> None:
        pictures = self._session.atlas is not None and self._session.atlas.has_images
        self.alike.setEnabled(pictures and self._session.scene is not None)

    # What is shown

    @property
    def kind(self) -> Kind:
        """Which cells."""
        return KINDS[max(self.kinds.checkedId(), 0)]

    def _refresh(self, *_: object) -> None:
        self._show_title()
        atlas, latent = self._session.atlas, self._session.latent()
        kind, scope = self.kind, self.scopes.scope
        wanted = (atlas, latent, kind, scope, self.patches.isChecked())
        if wanted == self._shown:
            return
        self._cancel(self._job)
        self.thumbnails.cancel()
        if atlas is None or latent is None or not atlas.has_images:
            self._shown = ()
            self.grid.show_cells([], None)
            self.message.setText(nothing_open(atlas))
            return
        self._shown = wanted
        self.what.setText(what_is_shown(kind, scope))
        self.message.setText("Looking for cells…")
        self._job = run_job(
            self,
            lambda _: find_cells(atlas, latent, kind, scope),
            lambda cells: self._show_cells(latent, cells),
            failed=self.message.setText,
        )

    def _show_cells(self, latent: int, cells: list[Cell]) -> None:
        if latent != self._session.latent():
            return
        full = self._session.full_scale(latent)
        self.grid.show_cells(cells, latent if self.patches.isChecked() else None, full)
        usual = str(facts_of(self._session).label[latent])
        self.what.setText(what_is_shown(self.kind, self.scopes.scope, cells, usual))
        if cells:
            self.message.setText(about_cells(len(cells), full if self.patches.isChecked() else None))
        else:
            self.message.setText(none_found(self.kind, self.scopes.scope))

    def _show_menu(self, point: QPoint) -> None:
        index = self.grid.indexAt(point)
        if index.isValid():
            menu = self.menu_of(self.grid.cells.cells[index.row()])
            menu.exec(self.grid.mapToGlobal(point))

    def menu_of(self, cell: Cell) -> QMenu:
        """Return what can be done with a cell."""
        menu = QMenu(self)
        menu.addAction("Open", lambda: self.opener.open(cell))
        if cell.patient and self.scopes.patients.count():
            menu.addAction(f"Only patient {cell.patient}", lambda: self.scopes.only(Scope("patient", cell.patient)))
        if cell.set and self._atlas is not None and len(self._atlas.sets) > 1:
            menu.addAction(f"Only image set {cell.set}", lambda: self.scopes.only(Scope("set", cell.set)))
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            menu.addAction("Copy image id", lambda: clipboard.setText(cell.id))
        return menu

    # Moved originals

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where are the original images now?")
        if folder:
            self.locate(Path(folder))

    def locate(self, folder: Path) -> None:
        """Look for the originals in a folder from now on, and say how many of those in view are there."""
        atlas = self._session.atlas
        if atlas is None:
            return
        add_folder(atlas, folder)
        rows = [cell.row for cell in self.grid.cells.cells]

        def count(_: Progress) -> int:
            return count_found(atlas, known_folders(atlas), rows)

        run_job(self, count, lambda n: self.message.setText(f"{n} of the {len(rows)} images in view were found."))

    def _cancel(self, job: Job[Any] | None) -> None:
        if job is not None:
            job.cancel()
