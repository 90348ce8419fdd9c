"""How long work reports its progress, without knowing who shows it (a terminal, a log, napari, nobody)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
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
