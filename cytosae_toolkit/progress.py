"""How long work reports its progress, without knowing who shows it (a terminal, a log, napari, nobody)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol


class Task(Protocol):
    """One piece of long work."""

    def advance(self, n: int = 1) -> None:
        """Note that `n` more units are done."""

    def note(self, text: str) -> None:
        """Show a short text beside the bar, such as ``"loss 0.12  L0 34"``."""


class Progress(Protocol):
    """Whoever shows progress. Implementations must be safe to call from the thread that does the work."""

    def task(self, description: str, total: int, unit: str, done: int = 0) -> AbstractContextManager[Task]:
        """Open a bar.

        Parameters
        ----------
        description : str
            Such as ``"Reading tokens"``.
        total : int
            Units of the whole work.
        unit : str
            Plural noun, such as ``"images"``.
        done : int
            Units that an earlier session finished.
        """

    def message(self, text: str) -> None:
        """Show one line."""


class _Nothing:
    def advance(self, n: int = 1) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Shows nothing; the default from Python."""

    def task(self, description: str, total: int, unit: str, done: int = 0) -> AbstractContextManager[Task]:
        """Open nothing."""
        return nullcontext(_Nothing())

    def message(self, text: str) -> None:
        """Say nothing."""


SILENT = Silent()


def no_step() -> None:
    """Do nothing between two steps of work; the default of ``on_step``, which may end the work by raising."""


class Suffixed:
    """Shows progress through another, with a text after every description, such as whose share of the work it is.

    Parameters
    ----------
    inner : Progress
        Who shows it.
    suffix : str
        The text.
    """

    def __init__(self, inner: Progress, suffix: str) -> None:
        self._inner = inner
        self._suffix = suffix

    def task(self, description: str, total: int, unit: str, done: int = 0) -> AbstractContextManager[Task]:
        """Open a bar."""
        return self._inner.task(description + self._suffix, total, unit, done)

    def message(self, text: str) -> None:
        """Show one line."""
        self._inner.message(text)


class Stopped(KeyboardInterrupt):
    """Long work was asked to stop, at a place where nothing complete is lost."""


class Stoppable:
    """Shows progress through another, and ends long work between two units when asked to.

    Parameters
    ----------
    inner : Progress
        Who shows it.
    stop : callable
        Asked after each unit; True raises `Stopped` in the thread that works.
    """

    def __init__(self, inner: Progress, stop: Callable[[], bool]) -> None:
        self._inner = inner
        self._stop = stop

    @contextmanager
    def task(self, description: str, total: int, unit: str, done: int = 0) -> Iterator[Task]:
        """Open a bar whose `advance` may raise `Stopped`."""
        with self._inner.task(description, total, unit, done) as task:
            yield _StoppableTask(task, self._stop)

    def message(self, text: str) -> None:
        """Show one line."""
        self._inner.message(text)


class _StoppableTask:
    def __init__(self, inner: Task, stop: Callable[[], bool]) -> None:
        self._inner = inner
        self._stop = stop

    def advance(self, n: int = 1) -> None:
        self._inner.advance(n)
        if self._stop():
            raise Stopped("Interrupted; what was complete is kept. The same command with --resume goes on.")

    def note(self, text: str) -> None:
        self._inner.note(text)
