"""The first page of the dock: the sample, an atlas, the published model, or learning from a folder of cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _kept
from napari_cytosae._job_bar import JobBar
from napari_cytosae._last_picture import LastPicture, remember_picture
from napari_cytosae._learning import BACKBONES
from napari_cytosae._made import made
from napari_cytosae._question import Question
from napari_cytosae._recent import RecentList

if TYPE_CHECKING:
    from napari_cytosae._jobs import JobProgress
    from napari_cytosae._learning import Lesson
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session
    from napari_cytosae._sources import MissingWeights, Opened

RESEARCH = "For research use only. Not for diagnosis."
SMALL = ("Packed atlas …", "Open a model …")
"""Ways to begin that share a line."""


class StartPage(QWidget):
    """Opens what is looked at, and hands it to the session.

    Parameters
    ----------
    viewer : napari viewer
        To which the sample's picture is added.
    session : Session
        Is given explorer and atlas.
    parent : QWidget, optional
        Qt parent.

    Attributes
    ----------
    opened : Signal(object)
        Path of what was opened.
    kind : str
        How the picture is to be read once something is open; empty: as its size proposes.
    """

    opened = Signal(object)

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self.question, self.jobs, self.message = Question(), JobBar(), QLabel()
        self.message.setWordWrap(True)
        self.buttons = QWidget()
        self.recent = RecentList(self.open, self.resume, self.carry_on)
        self._source: Path | None = None
        self.kind = ""
        self.backbone = QComboBox()
        for i, (text, name, tip) in enumerate(BACKBONES):
            self.backbone.addItem(text, name)
            self.backbone.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
        self.backbone.setToolTip("The vision model by which cells are read before concepts are learnt from them.")
        self.backbone.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.backbone.setMinimumContentsLength(10)
        self._lay_out()
        self.jobs.busy_changed.connect(lambda busy: self.buttons.setEnabled(not busy))

    def _lay_out(self) -> None:
        inner, row, choice = QVBoxLayout(self.buttons), QHBoxLayout(), QHBoxLayout()
        inner.setContentsMargins(0, 0, 0, 0)
        choice.addWidget(QLabel("learning with"))
        choice.addWidget(self.backbone, 1)
        for text, tip, slot in self._ways():
            self._button(row if text in SMALL else inner, text, slot, tip)
            if text in SMALL[-1:]:
                inner.addLayout(row)
        inner.addLayout(choice)
        inner.addWidget(self.recent)
        layout = QVBoxLayout(self)
        layout.addWidget(made(QLabel("<b>What do these cells show?</b> Choose where to begin."), wordWrap=True))
        for widget in (self.buttons, self.question, self.jobs, self.message):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _ways(self) -> list[tuple[str, str, Callable[[], None]]]:
        """Return text, tooltip and slot of the ways to begin."""
        return [
            ("Try the sample", "A generated smear and its concepts; no download", self.open_sample),
            ("Open an atlas …", "A folder NAME.atlas.zarr: concepts, reference cells and names", self._choose_atlas),
            (SMALL[0], "One file, NAME.zip, of `atlas pack`, to be sent around; for reading only", self._choose_packed),
            (SMALL[1], "The folder of a trained model: heat maps, no names, no reference cells", self._choose_run),
            ("Published CytoSAE …", "The model that the authors of CytoSAE trained; asks first", self.ask_published),
            (
                "Learn from a folder of my cells …",
                "Train a model on a folder of single cells, and build its atlas: reference cells and statistics",
                self._choose_cells,
            ),
        ]

    def _button(self, layout: Any, text: str, slot: Callable[[], None], tip: str) -> None:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda *_: slot())
        layout.addWidget(button)

    def showEvent(self, event: QShowEvent | None) -> None:
        """List what was opened before."""
        super().showEvent(event)
        self.recent.refresh()

    # Opening

    def open(self, path: str | Path) -> None:
        """Open an atlas, packed or not, or a run."""
        from napari_cytosae._sources import open_source

        device, self.kind = _kept.preference("device"), ""
        self._run(lambda progress: open_source(path, device=device, progress=progress), self._opened)

    def carry_on(self, last: LastPicture) -> None:
        """Open the picture that was read last, and what it was read with."""
        try:
            last.show_in(self._viewer)
        except CytosaeError as error:
            self._failed(str(error))
            return
        self.open(last.source)
        self.kind = "" if last.kind == "boxes" else last.kind  # boxes are not kept

    def picture_read(self, picture: Picture, kind: str) -> None:
        """Keep in mind which picture was read, with what and how."""
        remember_picture(picture.layer, self._source, kind)

    def open_sample(self) -> None:
        """Add the sample's smear to the viewer, and open its atlas; the first time makes both."""
        from napari_cytosae import _sample

        def made(found: tuple[Any, Opened]) -> None:
            (pixels, kwargs, _), source = found
            if kwargs["name"] not in self._viewer.layers:
                self._viewer.add_image(pixels, **kwargs)
            QTimer.singleShot(0, partial(self._opened, source))  # napari is slow enough with the picture

        self._run(_sample.sample, made, "The sample is being made: the first time takes up to a minute.")

    def _opened(self, source: Opened) -> None:
        self._session.author = _kept.author()
        self._session.set_source(source.explorer, source.atlas, source.no_model)
        _kept.remember(source.path)
        self._source = source.path
        self.message.setText("")
        if source.missing is None:
            self.question.hide()
        else:
            self.ask_weights(source.missing, None)
        self.opened.emit(source.path)

    def ask_weights(self, missing: MissingWeights, then: Any) -> None:
        """Ask before weights are downloaded; then go on with what needs them."""
        explorer = self._session.explorer

        def download() -> None:
            from napari_cytosae._sources import fetch

            self._run(lambda progress: fetch(missing, explorer, progress), lambda _: then() if then else None)

        self.question.ask(missing.question(), "Download", download)

    # Published CytoSAE

    def ask_published(self) -> None:
        """Say what the published model is and how large, and ask before it is downloaded."""
        from napari_cytosae import _published

        self._run(lambda progress: (_published.question(), _published.is_here()), lambda said: self._offer(*said))

    def _offer(self, text: str, here: bool) -> None:
        checkpoint = "A checkpoint (.pt) of the authors' code; it is read, not executed."
        statistics = "A folder of the authors' statistics (with sae_mean_acts.pt): a list of concepts, no heat maps."
        more = () if here else (
            ("I have the file …", checkpoint, self._choose_checkpoint),
            ("Statistics only …", statistics, self._choose_statistics),
        )  # fmt: skip
        self.question.ask(text, "Open" if here else "Download", self.fetch_published, more=more)

    def fetch_published(self) -> None:
        """Download the published checkpoint if it is not here, and open it."""
        from napari_cytosae._published import fetch_published
        from napari_cytosae._sources import open_source

        device = _kept.preference("device")
        self._run(
            lambda progress: open_source(fetch_published(progress), device=device, progress=progress), self._opened
        )

    def open_published(self, path: Path) -> None:
        """Import a checkpoint or a folder of statistics, and open it."""
        from napari_cytosae._published import published_folder
        from napari_cytosae._sources import import_published, open_source

        out, device = published_folder(), _kept.preference("device")

        def work(progress: JobProgress) -> Opened:
            return open_source(import_published(path, out, progress), device=device, progress=progress)

        self._run(work, self._opened)

    # Learning

    def learn(self, images: Path, backbone: str | None = None) -> None:
        """Train on a folder of cells and build the atlas; asks first if weights are missing."""
        from napari_cytosae._learning import lesson_of

        self._check_and_learn(lesson_of(images, backbone or str(self.backbone.currentData())))

    def resume(self) -> None:
        """Go on with the lesson that was begun."""
        from napari_cytosae._learning import Lesson

        begun = _kept.unfinished()
        if begun is not None:
            self._check_and_learn(Lesson(**begun))

    def _check_and_learn(self, lesson: Lesson) -> None:
        from napari_cytosae._learning import weights_of

        def checked(missing: MissingWeights | None) -> None:
            if missing is None:
                self._learn(lesson)
            else:
                self.ask_weights(missing, lambda: self._learn(lesson))

        self._run(lambda progress: weights_of(lesson.backbone), checked)

    def _learn(self, lesson: Lesson) -> None:
        from napari_cytosae._learning import learn
        from napari_cytosae._sources import open_source

        device = _kept.preference("device")
        _kept.remember_lesson(lesson.to_json())

        def work(progress: JobProgress) -> Opened:
            return open_source(learn(lesson, progress, device=device), device=device, progress=progress)

        def learned(source: Opened) -> None:
            _kept.remember_lesson(None)
            self._opened(source)

        self._run(work, learned, f"Learning from {lesson.images}; the result goes to {lesson.out}.")

    # Running

    def _run(self, function: Any, done: Any, text: str = "") -> None:
        self.message.setText(text)
        self.jobs.run(function, done, failed=self._failed, stopped=self._stopped)

    def _failed(self, sentence: str) -> None:
        self.message.setText(sentence)
        self.recent.refresh()

    def _stopped(self) -> None:
        self.message.setText("Stopped. What was complete is kept: the same button goes on.")
        self.recent.refresh()

    # Choosing files

    def _choose_atlas(self) -> None:
        self._choose_folder("Atlas (NAME.atlas.zarr)", self.open)

    def _choose_run(self) -> None:
        self._choose_folder("Run folder", self.open)

    def _choose_cells(self) -> None:
        self._choose_folder("Folder of cells, one image a cell; folders of classes are fine", self.learn)

    def _choose_statistics(self) -> None:
        self._choose_folder("Folder of published statistics (with sae_mean_acts.pt)", self.open_published)

    def _choose_packed(self) -> None:
        self._choose_file("Packed atlas", "Packed atlas (*.zip)", self.open)

    def _choose_checkpoint(self) -> None:
        self._choose_file("Published checkpoint", "Checkpoint (*.pt *.pth)", self.open_published)

    def _choose_folder(self, title: str, then: Any) -> None:
        path = QFileDialog.getExistingDirectory(self, title)
        if path:
            then(Path(path))

    def _choose_file(self, title: str, kinds: str, then: Any) -> None:
        path, _ = QFileDialog.getOpenFileName(self, title, "", kinds)
        if path:
            then(Path(path))
