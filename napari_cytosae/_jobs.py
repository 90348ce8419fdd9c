"""Slow work in a thread, with progress and Cancel; what it made arrives on the GUI thread, or nowhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal

from cytosae_toolkit.errors import CytosaeError, is_out_of_memory
from cytosae_toolkit.progress import Progress, Stoppable, Task
from napari_cytosae._llvm import keep_triton_out
from napari_cytosae._words import plain_words, spoken

T = TypeVar("T")

PAUSE = 0.05
"""Seconds between two reports of progress: the GUI thread has other things to do."""
FAREWELL = 10.0
"""Seconds that work gets to save its state when the program is closed."""

_running: set[Job[Any]] = set()


class JobProgress(Stoppable):
    """What a job's function gets: shows progress, and ends the work between two units once Cancel was pressed.

    Parameters
    ----------
    shown : Progress
        The same bar that never ends the work, for functions that take `stop` beside `progress`.
    stop : callable
        Says whether Cancel was pressed.
    """

    def __init__(self, shown: Progress, stop: Callable[[], bool]) -> None:
        super().__init__(shown, stop)
        self.shown, self.stop = shown, stop


class Job(QObject, Generic[T]):
    """Runs a function in a thread of its own; all signals are emitted on the thread that made the job.

    Exactly one of `finished`, `failed` and `stopped` is emitted, when the thread has ended. After `cancel`, and after
    the parent is gone, that is `stopped`, whatever the function still returned or raised.

    Parameters
    ----------
    function : callable (JobProgress) -> result
        Must not touch widgets or the viewer.
    parent : QObject, optional
        When it is destroyed the job is cancelled.

    Attributes
    ----------
    advanced : Signal(object, object, str)
        Units that are done, units of the whole, what is being done. (Objects: bytes of a download exceed C's int.)
    finished : Signal(object)
        The function's result.
    failed : Signal(str)
        One sentence.
    stopped : Signal()
        It was cancelled.
    """

    advanced = Signal(object, object, str)
    finished = Signal(object)
    failed = Signal(str)
    stopped = Signal()
    _told = Signal(str, object)

    def __init__(self, function: Callable[[JobProgress], T], parent: QObject | None = None) -> None:
        super().__init__()  # no Qt parent: the thread speaks through this object as long as it runs
        self._function = function
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._work, name="cytosae-job", daemon=True)
        self._told.connect(self._hear, Qt.ConnectionType.QueuedConnection)
        if parent is not None:
            parent.destroyed.connect(self.cancel)

    @property
    def running(self) -> bool:
        """Whether its end was not announced yet."""
        return self in _running

    def start(self) -> None:
        """Begin; a job runs once."""
        _stop_with_the_program()
        _running.add(self)
        self._thread.start()

    def cancel(self, *_: object) -> None:
        """Ask the work to end at its next unit, and drop what it makes; returns at once."""
        self._cancelled.set()

    def _work(self) -> None:
        keep_triton_out()
        bar = JobProgress(_Reporter(self._told.emit), self._cancelled.is_set)
        try:
            if self._cancelled.is_set():
                end: tuple[str, object] = ("stopped", None)
            else:
                end = ("finished", self._function(bar))
        except KeyboardInterrupt:  # Stopped, Interrupted
            end = ("stopped", None)
        except BaseException as error:  # whatever it was, the dock must hear of the end
            end = ("failed", sentence_of(error))
        self._told.emit(*end)

    def _hear(self, what: str, value: Any) -> None:
        if what == "advanced":
            if not self._cancelled.is_set():
                self.advanced.emit(*value)
            return
        self._thread.join()  # it is ending; it must not be the last to hold this object
        QTimer.singleShot(0, lambda: self)  # nor may this object go while Qt delivers to it
        _running.discard(self)
        if self._cancelled.is_set() or what == "stopped":
            self.stopped.emit()
        elif what == "finished":
            self.finished.emit(value)
        else:
            self.failed.emit(value)


def run_job(
    parent: QObject | None,
    function: Callable[[JobProgress], T],
    done: Callable[[T], object],
    *,
    failed: Callable[[str], object] | None = None,
) -> Job[T]:
    """Start a job.

    Parameters
    ----------
    parent : QObject, optional
        When it is destroyed the job is cancelled.
    function : callable (JobProgress) -> result
        Runs in a thread.
    done : callable (result)
        Called on this thread, unless the job was cancelled.
    failed : callable (str), optional
        Called with a sentence; by default it is shown as napari's notification.
    """
    job = Job(function, parent)
    job.finished.connect(done)
    job.failed.connect(failed or show_problem)
    job.start()
    return job


def show_problem(text: str) -> None:
    """Show a sentence as an error in napari's notifications."""
    from napari.utils.notifications import show_error

    show_error(text)


def sentence_of(error: BaseException) -> str:
    """Return what to tell a user about an exception; an unforeseen one goes to the log with its traceback."""
    if isinstance(error, CytosaeError):
        return spoken(error)
    if is_out_of_memory(error):
        return "Memory ran out; close other programs or take a smaller part of the picture."
    logging.getLogger(__name__).error("A job failed.", exc_info=error)
    said = " ".join(str(error).split()) or "no reason given"
    return f"Something unforeseen went wrong ({type(error).__name__}: {said}); the log has the details."


class _Reporter:
    """Shows progress by telling a job, seldom enough for the GUI thread; implements `Progress`."""

    def __init__(self, tell: Callable[[str, object], None]) -> None:
        self._tell = tell

    @contextmanager
    def task(self, description: str, total: int, unit: str, done: int = 0) -> Iterator[Task]:
        """Open a bar."""
        yield _Bar(self._tell, description, total, unit, done)

    def message(self, text: str) -> None:
        """Show one line."""
        self._tell("advanced", (0, 0, plain_words(text)))


class _Bar:
    def __init__(self, tell: Callable[[str, object], None], description: str, total: int, unit: str, done: int) -> None:
        self._tell, self._text, self._total, self._unit, self._done = tell, description, total, unit, done
        self._last = 0.0
        self._report()

    def advance(self, n: int = 1) -> None:
        self._done += n
        if self._done >= self._total or time.monotonic() - self._last > PAUSE:
            self._report()

    def note(self, text: str) -> None: ...

    def _report(self) -> None:
        self._last = time.monotonic()
        self._tell("advanced", (self._done, self._total, plain_words(f"{self._text} ({self._unit})")))


def _stop_with_the_program() -> None:
    """Let work save its state when the program is closed."""
    app = QCoreApplication.instance()
    if app is not None and not app.property("cytosae_jobs"):
        app.setProperty("cytosae_jobs", True)
        app.aboutToQuit.connect(_farewell)


def _farewell() -> None:
    until = time.monotonic() + FAREWELL
    for job in list(_running):
        job.cancel()
    for job in list(_running):
        job._thread.join(max(0.0, until - time.monotonic()))
