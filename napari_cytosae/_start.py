"""The first page of the dock: the sample, an atlas, the published model, or learning from a folder of cells."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _kept
from napari_cytosae._carry_on import CarryOn
from napari_cytosae._job_bar import JobBar
from napari_cytosae._last_picture import LastPicture
from napari_cytosae._made import made
from napari_cytosae._question import Question
from napari_cytosae._recent import RecentList
from napari_cytosae._ways import Ways, choose

if TYPE_CHECKING:
    from napari_cytosae._jobs import JobProgress
    from napari_cytosae._learning import Lesson
    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session
    from napari_cytosae._sources import MissingWeights, Opened

RESEARCH = "For research use only. Not for diagnosis."


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
        self.buttons, self.ways = QWidget(), Ways()
        self.recent = RecentList(self.open, self.resume, self.carry_on)
        self.memory = CarryOn(viewer, session, self)
        self._source: Path | None = None
        self.kind = ""
        self._lay_out()
        self.jobs.busy_changed.connect(lambda busy: self.buttons.setEnabled(not busy))

    def _lay_out(self) -> None:
        self.ways.sample.connect(self.open_sample)
        self.ways.published.connect(self.ask_published)
        self.ways.source.connect(self.open)
        self.ways.cells.connect(self.learn)
        inner = QVBoxLayout(self.buttons)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.ways)
        inner.addWidget(self.recent)
        layout = QVBoxLayout(self)
        layout.addWidget(made(QLabel("<b>What do these cells show?</b> Choose where to begin."), wordWrap=True))
        for widget in (self.buttons, self.question, self.jobs, self.message):
            layout.addWidget(widget)
        layout.addStretch(1)

    def showEvent(self, event: QShowEvent | None) -> None:
        """List what was opened before."""
        super().showEvent(event)
        self.recent.refresh()

    # Opening

    def open(self, path: str | Path) -> None:
        """Open an atlas, packed or not, or a run."""
        from napari_cytosae._sources import open_source

        device, self.kind, self.memory.wanted = _kept.preference("device"), "", None
        self._run(lambda progress: open_source(path, device=device, progress=progress), self._opened)

    def carry_on(self, last: LastPicture) -> None:
        """Open the picture that was read last, and what it was read with; concepts and regions follow."""
        try:
            last.show_in(self._viewer)
        except CytosaeError as error:
            self._failed(str(error))
            return
        self.open(last.source)
        self.kind = "" if last.kind == "boxes" else last.kind  # boxes are not kept
        self.memory.wanted = last

    def picture_read(self, picture: Picture, kind: str) -> None:
        """Keep in mind which picture was read, with what and how; draw again what was drawn on it."""
        self.memory.picture_read(picture, self._source, kind)

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
        self.memory.restore_concepts()
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
            ("I have the file …", checkpoint, lambda: choose(self, "checkpoint", self.open_published)),
            ("Statistics only …", statistics, lambda: choose(self, "statistics", self.open_published)),
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

        self._check_and_learn(lesson_of(images, backbone or str(self.ways.backbone.currentData())))

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
        self.memory.wanted = None
        self.recent.refresh()

    def _stopped(self) -> None:
        self._failed("Stopped. What was complete is kept: the same button goes on.")
