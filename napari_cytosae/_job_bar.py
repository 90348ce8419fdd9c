"""A job as a widget sees it: a bar, what is being done, and Cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_cytosae._jobs import Job, JobProgress, show_problem

T = TypeVar("T")

_Then = tuple[Callable[[Any], object], Callable[[str], object], Callable[[], object] | None]
_STEPS = 1000  # bytes of a download exceed what a Qt bar counts


class JobBar(QWidget):
    """Shows one job at a time, and nothing while there is none.

    Attributes
    ----------
    busy_changed : Signal(bool)
        A job began or ended.
    """

    busy_changed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job: Job[Any] | None = None
        self._then: _Then = (_nothing, _nothing, None)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _STEPS)  # never Qt's moving bar: it repaints the window as fast as it can, canvas and all
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; what is complete is kept")
        self.cancel_button.clicked.connect(self.cancel)
        row = QHBoxLayout()
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addLayout(row)
        self.hide()

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    def run(
        self,
        function: Callable[[JobProgress], T],
        done: Callable[[T], object],
        *,
        failed: Callable[[str], object] | None = None,
        stopped: Callable[[], object] | None = None,
    ) -> Job[T] | None:
        """Start a job and show it; None while another one runs.

        Parameters
        ----------
        function : callable (JobProgress) -> result
            Runs in a thread.
        done : callable (result)
            Called on this thread.
        failed : callable (str), optional
            Called with a sentence; by default napari shows it.
        stopped : callable, optional
            Called after Cancel.
        """
        if self.busy:
            return None
        job = self._job = Job(function, self)
        job.advanced.connect(self._advance)
        self._then = (done, failed or show_problem, stopped)
        job.finished.connect(self._finished)  # own methods: Qt does not call them once the widget is gone
        job.failed.connect(self._failed)
        job.stopped.connect(self._stopped)
        self._show(0, 0, "Starting …")
        self.cancel_button.setEnabled(True)
        self.show()
        self.busy_changed.emit(True)
        job.start()
        return job

    def cancel(self) -> None:
        """Ask the job to stop."""
        if self._job is not None:
            self._job.cancel()
            self.cancel_button.setEnabled(False)
            self._show(0, 0, "Stopping; what is complete is kept …")

    def _advance(self, done: int, total: int, text: str) -> None:
        self._show(done, total, text)

    def _show(self, done: int, total: int, text: str) -> None:
        self.text.setText(text)
        self.bar.setValue(round(_STEPS * min(done, total) / total) if total else 0)

    def _finished(self, result: object) -> None:
        self._end()[0](result)

    def _failed(self, sentence: str) -> None:
        self._end()[1](sentence)

    def _stopped(self) -> None:
        stopped = self._end()[2]
        if stopped is not None:
            stopped()

    def _end(self) -> _Then:
        """Return to rest, before what follows may start another job."""
        then, self._job = self._then, None
        self.hide()
        self.busy_changed.emit(False)
        return then


def _nothing(*_: object) -> None: ...
