"""Progress: lines in logs, a bar on a terminal."""

from __future__ import annotations

import io
import sys
import time

import pytest

from cytosae_toolkit.cli.progress import (
    BarProgress,
    LineProgress,
    format_duration,
    format_rate,
    progress_for,
)
from cytosae_toolkit.progress import SILENT


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(steps: int, seconds: float, *, total: int = 100, done: int = 0) -> list[str]:
    """Return what is written while `steps` units are done, each in some seconds."""
    lines: list[str] = []
    clock = Clock()
    with LineProgress(lines.append, clock).task("Reading tokens", total, "images", done) as task:
        for step in range(steps):
            clock.now += seconds
            task.note(f"step {step}")
            task.advance()
    return lines


def test_fast_work_writes_one_line_at_its_end() -> None:
    assert lines_of(100, 0.005) == ["Reading tokens: 100/100 images  100 %  200 images/s  in 0:01  step 99"]


def test_slow_work_writes_every_ten_seconds() -> None:
    lines = lines_of(50, 2.0, total=1000)
    assert len(lines) == 10
    assert lines[0] == "Reading tokens: 5/1,000 images    0 %  0.5 images/s  33:10 left  step 4"


def test_medium_work_writes_every_ten_per_cent() -> None:
    assert len(lines_of(100, 0.5)) == 10


def test_what_an_earlier_session_did_does_not_count_as_speed() -> None:
    assert lines_of(10, 1.0, total=100, done=90)[-1].startswith("Reading tokens: 100/100 images  100 %  1 images/s")


def test_messages_are_lines() -> None:
    lines: list[str] = []
    LineProgress(lines.append).message("hello [x]")
    assert lines == ["hello [x]"]


@pytest.mark.parametrize(("seconds", "text"), [(7.4, "0:07"), (75, "1:15"), (3723, "1:02:03"), (float("nan"), "?")])
def test_durations_read_as_clocks(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("rate", "text"), [(0.5, "0.5"), (12.345, "12.3"), (123456.7, "123,457")])
def test_rates_have_three_digits(rate: float, text: str) -> None:
    assert format_rate(rate) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_place_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_for(quiet=True) is SILENT
    assert isinstance(progress_for(quiet=False), LineProgress)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(progress_for(quiet=False), BarProgress)


def test_a_bar_shows_rate_note_and_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    progress = BarProgress()
    progress.message("before")
    with progress.task("Training", 10, "steps") as outer, progress.task("Images", 4, "images", done=2) as inner:
        for _ in range(5):
            outer.advance(2)
            time.sleep(0.01)
        outer.note("loss 0.12 [a]")
        inner.advance(2)
        progress.message("between [b]")
    text = terminal.getvalue()
    assert text.startswith("before\n") and "between [b]" in text
    assert "loss 0.12 [a]" in text and "10/10" in text and "4/4" in text and "steps/s" in text


def test_plain_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress().task("Work", 1, "parts") as task:
        task.advance()
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("Work: 1/1 parts")
