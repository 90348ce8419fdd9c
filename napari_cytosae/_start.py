"""The first page of the dock: the sample, an atlas, the published model, or learning from a folder of cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cytosae import _kept
from napari_cytosae._job_bar import JobBar
from napari_cytosae._question import Question

if TYPE_CHECKING:
    from napari_cytosae._jobs import JobProgress
    from napari_cytosae._learning import Lesson
    from napari_cytosae._session import Session
    from napari_cytosae._sources import MissingWeights, Opened

RESEARCH = "For research use only. Not for diagnosis."
PUBLISHED = (
    "The CytoSAE authors do not offer their trained model under an address that this program could download from. "
    "If you have their checkpoint (.pt) or a folder of their statistics, choose it here; nothing in the files is run."
)
BACKBONES = (
    ("DinoBloom-B, for research (downloaded once)", "dinobloom-b"),
    ("DinoBloom-S, smaller and faster", "dinobloom-s"),
    ("the demonstration model, for a trial", "nano"),
)


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
    """

    opened = Signal(object)

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._session = viewer, session
        self.question, self.jobs, self.message = Question(), JobBar(), QLabel()
        self.message.setWordWrap(True)
        self.buttons = QWidget()
        self.recent_list = QVBoxLayout()
        self.backbone = QComboBox()
        for text, name in BACKBONES:
            self.backbone.addItem(text, name)
        self.backbone.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.backbone.setMinimumContentsLength(10)
        self._lay_out()
        self.jobs.busy_changed.connect(lambda busy: self.buttons.setEnabled(not busy))

    def _lay_out(self) -> None:
        inner = QVBoxLayout(self.buttons)
        inner.setContentsMargins(0, 0, 0, 0)
        self._button(inner, "Try the sample", self.open_sample, "A generated smear and its concepts; no download")
        row = QHBoxLayout()
        self._button(inner, "Open an atlas …", self._choose_atlas, "A folder NAME.atlas.zarr")
        self._button(
            row, "Packed atlas …", self._choose_packed, "A file NAME.zip made by `atlas pack`; opens read-only"
        )
        self._button(row, "Open a model …", self._choose_run, "A run folder made by `train`: no names, no references")
        inner.addLayout(row)
        self._button(
            inner, "Published CytoSAE …", self.ask_published, "A checkpoint or statistics of the authors' code"
        )
        self._button(inner, "Learn from a folder of my cells …", self._choose_cells, "Train an SAE and build its atlas")
        choice = QHBoxLayout()
        choice.addWidget(QLabel("learning with"))
        choice.addWidget(self.backbone, 1)
        inner.addLayout(choice)
        inner.addLayout(self.recent_list)
        layout = QVBoxLayout(self)
        layout.addWidget(_wrapped("<b>What do these cells show?</b> Choose where to begin."))
        for widget in (self.buttons, self.question, self.jobs, self.message):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(_wrapped(RESEARCH))

    def _button(self, layout: Any, text: str, slot: Any, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda *_: slot())
        layout.addWidget(button)
        return button

    def showEvent(self, event: QShowEvent | None) -> None:
        """List what was opened before."""
        super().showEvent(event)
        self.list_recent()

    def list_recent(self) -> None:
        """List what was opened before, and the lesson that was begun."""
        while self.recent_list.count():
            item = self.recent_list.takeAt(0)
            if item is not None and (widget := item.widget()) is not None:
                widget.deleteLater()
        begun = _kept.unfinished()
        if begun is not None:
            name = Path(begun["images"]).name
            self._button(self.recent_list, f"Go on learning from {name}", self.resume, begun["images"])
        for path in _kept.recent():
            button = self._button(self.recent_list, path.name, lambda path=path: self.open(path), str(path))
            button.setFlat(True)

    # Opening

    def open(self, path: str | Path) -> None:
        """Open an atlas, packed or not, or a run."""
        from napari_cytosae._sources import open_source

        device = _kept.preference("device")
        self._run(lambda progress: open_source(path, device=device, progress=progress), self._opened)

    def open_sample(self) -> None:
        """Add the sample's smear to the viewer, and open its atlas; the first time makes both."""
        from napari_cytosae import _sample

        def made(found: tuple[Any, Opened]) -> None:
            (pixels, kwargs, _), source = found
            if kwargs["name"] not in self._viewer.layers:
                self._viewer.add_image(pixels, **kwargs)
            self._opened(source)

        self._run(_sample.sample, made, "The sample is being made: the first time takes up to a minute.")

    def _opened(self, source: Opened) -> None:
        self._session.author = _kept.author()
        self._session.set_source(source.explorer, source.atlas)
        _kept.remember(source.path)
        self.message.setText("")
        self.opened.emit(source.path)
        if source.missing is not None:
            self.ask_weights(source.missing, None)

    def ask_weights(self, missing: MissingWeights, then: Any) -> None:
        """Ask before weights are downloaded; then go on with what needs them."""
        explorer = self._session.explorer

        def download() -> None:
            from napari_cytosae._sources import fetch

            self._run(lambda progress: fetch(missing, explorer, progress), lambda _: then() if then else None)

        self.question.ask(missing.question(), "Download", download)

    # Published CytoSAE

    def ask_published(self) -> None:
        """Say what there is of the published model, and ask for the files."""
        self.question.ask(
            PUBLISHED, "Checkpoint …", self._choose_checkpoint, no="Statistics …", otherwise=self._choose_statistics
        )

    def open_published(self, path: Path) -> None:
        """Import a checkpoint or a folder of statistics, and open it."""
        from cytosae_toolkit.cache import cache_folder
        from napari_cytosae._sources import import_published, open_source

        out, device = cache_folder() / "published", _kept.preference("device")

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
        self.list_recent()

    def _stopped(self) -> None:
        self.message.setText("Stopped. What was complete is kept: the same button goes on.")
        self.list_recent()

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


def _wrapped(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
