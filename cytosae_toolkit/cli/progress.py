"""Progress on stderr: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cytosae_toolkit.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from rich import progress as rich_progress

LINE_SECONDS = 10.0
"""Plain lines come at most this often, whatever the share done."""
LINE_SHARE = 0.1
"""Plain lines come at most once for this share of the work, unless `LINE_SECONDS` have passed."""


def progress_for(quiet: bool) -> Progress:
    """Return what suits stderr: a bar on a terminal, else plain lines; silence if `quiet`."""
    if quiet:
        return SILENT
    return BarProgress() if sys.stderr.isatty() else LineProgress()


class LineProgress:
    """Plain lines for logs: at the start, every ten seconds or ten per cent, and at the end.

    Parameters
    ----------
    write : callable, optional
        Receives each line; stderr by default.
    clock : callable, optional
        Seconds, monotonic.
    """

    def __init__(self, write: Callable[[str], None] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write or _write_stderr
        self._clock = clock

    @contextmanager
    def task(self, description: str, total: int, unit: str, done: int = 0) -> Iterator[Task]:
        """Open a task."""
        yield _LineTask(self._write, self._clock, description, total, unit, done)

    def message(self, text: str) -> None:
        """Write one line."""
        self._write(text)


def _write_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class _LineTask:
    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], float],
        description: str,
        total: int,
        unit: str,
        done: int,
    ) -> None:
        self._write, self._clock = write, clock
        self._description, self._total, self._unit = description, total, unit
        self._done = self._first = self._shown = done
        self._started = self._shown_at = clock()
        self._note = ""

    def advance(self, n: int = 1) -> None:
        self._done += n
        now = self._clock()
        enough_work = self._done - self._shown >= LINE_SHARE * self._total and now - self._shown_at >= 1.0
        if self._done >= self._total > self._shown or enough_work or now - self._shown_at >= LINE_SECONDS:
            self._show(now)

    def note(self, text: str) -> None:
        self._note = text

    def _show(self, now: float) -> None:
        self._shown, self._shown_at = self._done, now
        rate = (self._done - self._first) / max(now - self._started, 1e-9)
        left = (self._total - self._done) / rate if rate > 0 else float("nan")
        share = f"{100 * self._done / self._total:3.0f} %" if self._total else ""
        parts = [
            f"{self._description}: {self._done:,}/{self._total:,} {self._unit}",
            share,
            f"{format_rate(rate)} {self._unit}/s",
            f"{format_duration(left)} left"
            if self._done < self._total
            else f"in {format_duration(now - self._started)}",
            self._note,
        ]
        self._write("  ".join(part for part in parts if part))


def format_rate(rate: float) -> str:
    """Return units per second with three significant digits, without an exponent."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def format_duration(seconds: float) -> str:
    """Return a duration such as ``0:07`` or ``1:02:03``; ``?`` for NaN."""
    if seconds != seconds:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class BarProgress:
    """A bar with rate, time left and a note; lines printed meanwhile stay above it."""

    def __init__(self) -> None:
        self._live: rich_progress.Progress | None = None
        self._open = 0

    @contextmanager
    def task(self, description: str, total: int, unit: str, done: int = 0) -> Iterator[Task]:
        """Open a bar; nested tasks share one display."""
        live = self._enter()
        bar = live.add_task(description, total=total, completed=done, unit=unit, note="")
        try:
            yield _BarTask(live, bar)
        finally:
            self._leave()

    def message(self, text: str) -> None:
        """Show one line, above the bar if there is one."""
        if self._live is None:
            _write_stderr(text)
        else:
            self._live.console.print(text, markup=False, highlight=False, emoji=False)

    def _enter(self) -> rich_progress.Progress:
        if self._live is None:
            self._live = _bar()
            self._live.start()
        self._open += 1
        return self._live

    def _leave(self) -> None:
        self._open -= 1
        if self._open == 0 and self._live is not None:
            self._live.stop()
            self._live = None


class _BarTask:
    def __init__(self, live: rich_progress.Progress, bar: rich_progress.TaskID) -> None:
        self._live, self._bar = live, bar

    def advance(self, n: int = 1) -> None:
        self._live.advance(self._bar, n)

    def note(self, text: str) -> None:
        self._live.update(self._bar, note=text)


def _bar() -> rich_progress.Progress:
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class Rate(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{format_rate(speed)} {task.fields['unit']}/s", style="cyan")

    class Note(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            return Text(task.fields["note"], style="dim")

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=24),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeRemainingColumn(),
        Note(),
        console=Console(stderr=True),
    )
