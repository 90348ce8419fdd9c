from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from itertools import pairwise

import pytest
from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _jobs
from napari_cytosae._jobs import Job, JobProgress, run_job


def ended(qtbot, job: Job) -> None:
    qtbot.waitUntil(lambda: not job.running, timeout=5000)


class Heard:
    """What a job said."""

    def __init__(self, job: Job) -> None:
        self.words: list[tuple[str, object]] = []
        job.finished.connect(lambda result: self.words.append(("finished", result)))
        job.failed.connect(lambda text: self.words.append(("failed", text)))
        job.stopped.connect(lambda: self.words.append(("stopped", None)))


def counting(n: int, seconds: float = 0.0, seen: list[int] | None = None) -> Callable[[JobProgress], int]:
    def work(progress: JobProgress) -> int:
        with progress.task("Counting", n, "numbers") as task:
            for i in range(n):
                if seconds:
                    time.sleep(seconds)
                if seen is not None:
                    seen.append(i)
                task.advance()
        return n

    return work


def test_the_result_arrives_on_the_thread_that_asked(qtbot):
    where = []
    job = run_job(
        None, lambda progress: threading.get_ident(), lambda result: where.append((result, threading.get_ident()))
    )
    ended(qtbot, job)
    ((worker, here),) = where
    assert here == threading.get_ident() != worker


def test_progress_is_told_and_ends_at_the_total(qtbot):
    told = []
    job = Job(counting(200))
    job.advanced.connect(lambda done, total, text: told.append((done, total, text)))
    job.start()
    ended(qtbot, job)
    assert told[0] == (0, 200, "Counting (numbers)")
    assert told[-1] == (200, 200, "Counting (numbers)")
    assert len(told) < 50


def test_bytes_of_a_large_download_can_be_told(qtbot):
    told = []

    def work(progress: JobProgress) -> None:
        with progress.task("Downloading", 5 * 2**30, "bytes", done=4 * 2**30) as task:
            task.advance(2**30)
        progress.message("Done.")

    job = Job(work)
    job.advanced.connect(lambda *words: told.append(words))
    job.start()
    ended(qtbot, job)
    assert told[-2][:2] == (5 * 2**30, 5 * 2**30)
    assert told[-1] == (0, 0, "Done.")


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.01, 0.03, 0.2])
def test_cancel_at_any_moment_says_stopped_once_and_drops_the_result(qtbot, moment):
    seen: list[int] = []
    job = Job(counting(40, 0.002, seen))
    heard = Heard(job)
    job.start()
    QTimer.singleShot(int(1000 * moment), job.cancel)
    qtbot.waitUntil(lambda: bool(heard.words) and not job.running, timeout=5000)
    qtbot.wait(20)
    assert heard.words == ([("finished", 40)] if moment == 0.2 else [("stopped", None)])
    if moment < 0.02:
        assert len(seen) < 40


def test_cancel_before_the_start_does_nothing_at_all(qtbot):
    seen: list[int] = []
    job = Job(counting(3, seen=seen))
    heard = Heard(job)
    job.cancel()
    job.start()
    ended(qtbot, job)
    assert (heard.words, seen) == ([("stopped", None)], [])


def test_work_that_does_not_ask_is_dropped_when_it_ends(qtbot):
    go = threading.Event()
    job = Job(lambda progress: go.wait(5))
    heard = Heard(job)
    job.start()
    job.cancel()
    go.set()
    ended(qtbot, job)
    assert heard.words == [("stopped", None)]


def test_a_failure_after_cancel_is_no_failure(qtbot):
    go = threading.Event()

    def work(progress: JobProgress) -> None:
        go.wait(5)
        raise CytosaeError("Too late.")

    job = Job(work)
    heard = Heard(job)
    job.start()
    job.cancel()
    go.set()
    ended(qtbot, job)
    assert heard.words == [("stopped", None)]


def test_work_that_asks_itself_sees_cancel_and_is_not_ended_by_its_bar(qtbot):
    saved = []

    def work(progress: JobProgress) -> None:
        with progress.shown.task("Training", 1000, "steps") as task:
            while not progress.stop():
                time.sleep(0.001)
                task.advance()
            task.advance()
        saved.append("state")
        raise KeyboardInterrupt

    job = Job(work)
    heard = Heard(job)
    job.start()
    QTimer.singleShot(20, job.cancel)
    ended(qtbot, job)
    assert saved == ["state"]
    assert heard.words == [("stopped", None)]


def fail(error: BaseException) -> Callable[[JobProgress], None]:
    def work(progress: JobProgress) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CytosaeError("No cell was found.", "Give the scale."), "No cell was found. Give the scale."),
        (MemoryError(), "Memory ran out; close other programs or take a smaller part of the picture."),
        (ValueError("odd\nthing"), "Something unforeseen went wrong (ValueError: odd thing); the log has the details."),
        (SystemExit(3), "Something unforeseen went wrong (SystemExit: 3); the log has the details."),
    ],
)
def test_a_failure_is_one_sentence(qtbot, error, sentence):
    told = []
    ended(qtbot, run_job(None, fail(error), lambda result: told.append("finished"), failed=told.append))
    assert told == [sentence]


def test_a_failure_is_shown_by_napari_by_default(qtbot, monkeypatch):
    shown = []
    monkeypatch.setattr("napari.utils.notifications.show_error", shown.append)
    ended(qtbot, run_job(None, fail(CytosaeError("Gone.")), lambda result: None))
    assert shown == ["Gone."]


def test_a_parent_that_goes_cancels_and_hears_nothing(qtbot):
    parent, called = QWidget(), []
    go = threading.Event()
    job = run_job(parent, lambda progress: go.wait(5), lambda result: called.append(result))
    parent.deleteLater()
    qtbot.waitSignal(parent.destroyed, timeout=1000)
    QApplication.processEvents()
    qtbot.wait(10)
    del parent
    go.set()
    ended(qtbot, job)
    assert called == []


def test_a_job_that_nobody_holds_runs_to_its_end_and_goes(qtbot):
    done = []
    holder = QObject()
    known = weakref.ref(run_job(holder, counting(5, 0.002), done.append))
    gc.collect()
    qtbot.waitUntil(lambda: 5 in done, timeout=5000)
    qtbot.wait(10)
    gc.collect()
    assert known() is None
    assert not _jobs._running


def test_the_gui_thread_is_never_blocked(qtbot):
    """A timer that should tick every 10 ms, beside work that tells of its progress as fast as it can."""
    ticks = [time.monotonic()]
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start()
    job = Job(counting(200_000))
    job.start()
    ended(qtbot, job)
    timer.stop()
    gaps = [after - before for before, after in pairwise(ticks)]
    assert max(gaps, default=0.0) < 0.1


def test_the_end_of_the_program_stops_jobs_and_waits_for_their_state(qtbot):
    saved, began = [], threading.Event()

    def work(progress: JobProgress) -> None:
        began.set()
        while not progress.stop():
            time.sleep(0.001)
        time.sleep(0.02)
        saved.append("state")

    job = Job(work)
    job.start()
    assert began.wait(5)
    _jobs._farewell()
    assert saved == ["state"]
    ended(qtbot, job)
