"""A patient: in which concepts it stands out, its cells sorted by the chosen one, and their patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from napari_cytosae._cell_opener import CellOpener
from napari_cytosae._cells import Cell, patient_names
from napari_cytosae._folder_patient import FolderPatient, read_folder
from napari_cytosae._grid import CellGrid
from napari_cytosae._jobs import Job, JobProgress, run_job
from napari_cytosae._listening import Listening
from napari_cytosae._made import made
from napari_cytosae._outstanding import OutstandingList
from napari_cytosae._patients import ALL_OTHERS, AtlasPatient, Patient, fitting_cohort, outstanding, reference_groups
from napari_cytosae._pieces import escaped, plain_label
from napari_cytosae._thumbnails import Thumbnails

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.cohort import Cohort
    from napari_cytosae._session import Session

NOBODY = "Choose a patient…"


class PatientPanel(Listening, QWidget):
    """A patient of the atlas, or a folder of cells.

    Parameters
    ----------
    viewer : napari viewer
        Where cells are opened.
    session : Session
        What is looked at.
    """

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._atlas: Atlas | None = None
        self._cohort: Cohort | None = None
        self._patient: Patient | None = None
        self._jobs: dict[str, Job[Any]] = {}
        self.opener = CellOpener(viewer, session, self)
        self.opener.read = lambda cell: None if self._patient is None else self._patient.open(cell)
        self.thumbnails = Thumbnails(self)
        self._make_widgets()
        self._lay_out()
        self.listen(session.source_changed, self._show_source)
        self.listen(session.latent_changed, self._show_latent, 0)
        self.listen(session.names_changed, self._show_names)

    # Widgets

    def _make_widgets(self) -> None:
        self.patients = made(QComboBox(), toolTip="Patients whom the atlas's images name.")
        self.patients.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.patients.activated.connect(self._choose_patient)
        self.folder = made(QPushButton("Folder…"), toolTip="Read a folder of single cells as one patient.")
        self.folder.clicked.connect(self._choose_folder)
        self.barcodes = made(QPushButton("Barcodes…"), toolTip="Open barcodes of patients (*.h5ad) to compare with.")
        self.barcodes.clicked.connect(self._choose_barcodes)
        self.about = made(QLabel(), wordWrap=True)
        self.groups = made(QComboBox(), toolTip="Whom the patient is compared with.")
        self.groups.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.groups.activated.connect(self._compare)
        self.concepts = OutstandingList(self._session)
        self.concepts.chosen.connect(self._session.choose)
        self.cells_title = plain_label()
        self.grid = CellGrid(self.thumbnails)
        self.grid.opened.connect(self.opener.open)
        self.message = plain_label()
        self.stop = made(QPushButton("Cancel"), visible=False, toolTip="Stop; what is shown stays.")
        self.stop.clicked.connect(self.cancel)

    def _lay_out(self) -> None:
        head, compared, foot = QHBoxLayout(), QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.patients, 1)
        head.addWidget(self.folder)
        head.addWidget(self.barcodes)
        compared.addWidget(QLabel("Compared with"))
        compared.addWidget(self.groups, 1)
        foot.addWidget(self.message, 1)
        foot.addWidget(self.stop)
        lower = QWidget()
        cells = QVBoxLayout(lower)
        cells.setContentsMargins(0, 0, 0, 0)
        cells.addWidget(self.cells_title)
        cells.addWidget(self.grid, 1)
        parts = made(QSplitter(Qt.Orientation.Vertical), childrenCollapsible=False)
        parts.addWidget(self.concepts)
        parts.addWidget(lower)
        parts.setStretchFactor(0, 2)
        parts.setStretchFactor(1, 3)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        box.addLayout(head)
        box.addWidget(self.about)
        box.addLayout(compared)
        box.addWidget(parts, 1)
        box.addLayout(foot)

    # What the session says

    def _show_source(self) -> None:
        atlas = self._session.atlas
        if atlas is self._atlas and atlas is not None:
            return
        self.cancel()
        self._atlas, self._cohort = atlas, None
        self._set_patient(None)
        self.patients.clear()
        self.patients.addItem(NOBODY)
        able = atlas is not None and atlas.has_images
        self.folder.setEnabled(self._session.explorer is not None)
        for widget in (self.patients, self.barcodes, self.groups):
            widget.setEnabled(able)
        if atlas is not None and able:
            self._run("names", lambda _: (atlas, patient_names(atlas)), self._fill_patients)
        else:
            self.message.setText("Open an atlas whose images name patients.")

    def _fill_patients(self, found: tuple[Atlas, list[str]]) -> None:
        atlas, names = found
        if atlas is self._atlas:
            self.patients.addItems(names)
            self.message.setText("" if names else "The images of this atlas name no patients; a folder can be read.")

    def _show_latent(self, slot: int) -> None:
        if slot == 0:
            self.concepts.mark()
            self._sort_cells()

    def _show_names(self) -> None:
        self.concepts.rename()

    # Whose cells

    def _choose_patient(self) -> None:
        name = self.patients.currentText()
        if self._atlas is not None and name != NOBODY:
            self.show_patient(name)

    def show_patient(self, name: str) -> None:
        """Show a patient of the atlas."""
        if self._atlas is not None:
            self.patients.setCurrentText(name)
            self._set_patient(AtlasPatient(self._atlas, name, self._session.explorer))

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder of single cells")
        if folder:
            self.show_folder(Path(folder))

    def show_folder(self, folder: Path) -> None:
        """Read a folder of single cells, and show it as a patient."""
        explorer = self._session.explorer
        if explorer is not None:
            self._run("folder", lambda progress: read_folder(explorer, folder, progress), self._set_folder)

    def _set_folder(self, patient: FolderPatient) -> None:
        self.patients.setCurrentIndex(0)
        self._set_patient(patient)
        if patient.n_unreadable:
            self.message.setText(f"{patient.n_unreadable} images could not be read and are left out.")

    def _set_patient(self, patient: Patient | None) -> None:
        self._patient = patient
        self.thumbnails.set_pictures(None if patient is None else patient.pictures)
        self.concepts.clear()
        self.about.setText("")
        self._sort_cells()
        self._compare()

    # Barcodes

    def _choose_barcodes(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Barcodes of patients", "", "Barcodes (*.h5ad)")
        if path:
            self.open_barcodes(Path(path))

    def open_barcodes(self, path: Path) -> None:
        """Compare with the patients of a file."""
        atlas = self._atlas
        if atlas is None:
            return

        def read(_: JobProgress) -> tuple[Atlas, Cohort]:
            from cytosae_toolkit.cohort.cohort import open_cohort

            return atlas, fitting_cohort(open_cohort(path), atlas)

        self._run("barcodes", read, self._set_cohort)

    def _compute_barcodes(self) -> None:
        atlas = self._atlas
        if atlas is None or not atlas.has_images:
            return

        def compute(progress: JobProgress) -> tuple[Atlas, Cohort]:
            from cytosae_toolkit.atlas.building import Work
            from cytosae_toolkit.cohort.barcodes import barcodes
            from cytosae_toolkit.cohort.cohort import open_cohort

            made = barcodes(atlas, work=Work(progress=progress), command="napari")
            return atlas, open_cohort(made)

        self._run("barcodes", compute, self._set_cohort)

    def _set_cohort(self, found: tuple[Atlas, Cohort]) -> None:
        atlas, cohort = found
        if atlas is not self._atlas:
            return
        self._cohort = cohort
        chosen = self.groups.currentText()
        self.groups.clear()
        self.groups.addItems(reference_groups(cohort))
        self.groups.setCurrentText(chosen)
        self._compare()

    def _compare(self) -> None:
        patient, cohort = self._patient, self._cohort
        if patient is None:
            return
        if cohort is None:
            self._compute_barcodes()
            return
        group = self.groups.currentText() or ALL_OTHERS
        self._run(
            "compare", lambda _: outstanding(cohort, patient, group), lambda table: self._show_concepts(patient, table)
        )

    def _show_concepts(self, patient: Patient, table: pd.DataFrame) -> None:
        if patient is self._patient:
            self.concepts.show_table(table)

    # Concept → cells

    def _sort_cells(self) -> None:
        patient, latent = self._patient, self._session.latent()
        if patient is None:
            self.grid.show_cells([], None)
            self.cells_title.setText("Choose a patient, or a folder of single cells, to see the cells here.")
            return
        self.thumbnails.cancel()
        self._run(
            "cells", lambda _: patient.cells(latent), lambda cells: self._show_cells(patient, latent, cells), quiet=True
        )

    def _show_cells(self, patient: Patient, latent: int | None, cells: list[Cell]) -> None:
        if patient is not self._patient or latent != self._session.latent():
            return
        full = 1.0 if latent is None else self._session.full_scale(latent)
        self.grid.show_cells(cells, latent, full)
        n_with = sum((cell.value or 0) > 0 for cell in cells)
        self.about.setText(f"<b>{escaped(patient.name)}</b> · {len(cells)} cells")
        shown = "" if latent is None else f"{n_with} of {len(cells)} cells show {self._session.describe(latent)}."
        self.cells_title.setText(shown or "Choose a concept: the cells are sorted by it.")

    # Work

    def _run(self, what: str, function: Any, done: Any, *, quiet: bool = False) -> None:
        """Start a job in the place of the last one of its kind."""
        if what in self._jobs:
            self._jobs[what].cancel()
        job = self._jobs[what] = run_job(self, function, done)
        if quiet:
            return
        self.stop.show()
        job.advanced.connect(self._show_progress)
        for end in (job.finished, job.failed, job.stopped):
            end.connect(self._tidy)

    def _show_progress(self, done: int, total: int, text: str) -> None:
        self.message.setText(f"{text}: {done:,} of {total:,}" if total else text)

    def _tidy(self, *_: object) -> None:
        self._jobs = {what: job for what, job in self._jobs.items() if job.running}
        if not set(self._jobs) - {"cells"}:
            self.stop.hide()
            if " of " in self.message.text():
                self.message.setText("")

    def cancel(self) -> None:
        """End what is running."""
        for job in self._jobs.values():
            job.cancel()
        self.thumbnails.cancel()
