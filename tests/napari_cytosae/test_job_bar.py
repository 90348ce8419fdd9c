from __future__ import annotations

import threading

import pytest

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._job_bar import JobBar


@pytest.fixture
def bar(qtbot):
    bar = JobBar()
    qtbot.addWidget(bar)
    return bar


def idle(qtbot, bar):
    qtbot.waitUntil(lambda: not bar.busy, timeout=5000)


def test_it_shows_only_while_there_is_work(qtbot, bar):
    go, states, results = threading.Event(), [], []
    bar.busy_changed.connect(states.append)
    bar.run(lambda progress: go.wait(5), results.append)
    assert bar.busy and not bar.isHidden() and states == [True]
    assert bar.run(lambda progress: None, results.append) is None  # one at a time
    go.set()
    idle(qtbot, bar)
    assert (bar.isHidden(), states, results) == (True, [True, False], [True])


def test_a_large_download_fits_the_bar(qtbot, bar):
    go = threading.Event()

    def work(progress):
        with progress.task("Downloading", 2**33, "bytes", done=2**32):
            go.wait(5)

    bar.run(work, lambda result: None)
    qtbot.waitUntil(lambda: bar.bar.value() == 500)
    assert bar.text.text() == "Downloading (bytes)"
    go.set()
    idle(qtbot, bar)


def test_cancel_says_so_and_tells_who_asked(qtbot, bar):
    heard, go = [], threading.Event()
    bar.run(lambda progress: go.wait(5), heard.append, stopped=lambda: heard.append("stopped"))
    bar.cancel_button.click()
    assert not bar.cancel_button.isEnabled()
    assert bar.text.text().startswith("Stopping")
    go.set()
    idle(qtbot, bar)
    assert heard == ["stopped"]


def test_what_follows_may_start_the_next_job(qtbot, bar):
    heard = []
    bar.run(lambda progress: 1, lambda one: bar.run(lambda progress: one + 1, heard.append))
    qtbot.waitUntil(lambda: heard == [2], timeout=5000)


def test_a_failure_is_told(qtbot, bar):
    def work(progress):
        raise CytosaeError("No.")

    told = []
    bar.run(work, lambda result: None, failed=told.append)
    idle(qtbot, bar)
    assert told == ["No."]


def test_a_bar_that_is_gone_calls_nobody(qtbot):
    bar, heard, go = JobBar(), [], threading.Event()
    job = bar.run(
        lambda progress: go.wait(5), heard.append, failed=heard.append, stopped=lambda: heard.append("stopped")
    )
    bar.deleteLater()
    qtbot.wait(10)
    go.set()
    qtbot.waitUntil(lambda: not job.running, timeout=5000)
    assert heard == []
