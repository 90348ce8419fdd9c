"""What happens when a command fails: one sentence on stderr and the exit code."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from cytosae_toolkit.cli.common import debugging, note, set_debugging, warn
from cytosae_toolkit.errors import CytosaeError, is_out_of_memory

EXIT_FAULT = 1
"""A mistake in this toolkit or in a plugin."""
EXIT_USER = 2
"""The user's input or environment."""
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141

HEAD_START = 0.5
"""Seconds that whoever speaks of a failure has before the others end: torchrun ends all as soon as one has ended."""

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


class HandlingGroup(TyperGroup):
    """A group of commands whose failures become a sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        set_debugging(False)
        with own_warnings_as_lines(), failures_as_sentences():
            result = super().invoke(ctx)
            sys.stdout.flush()
        return result


@contextmanager
def failures_as_sentences() -> Iterator[None]:
    """Turn any exception into `typer.Exit` after saying what happened; typer's own pass."""
    try:
        yield
    except KeyboardInterrupt as error:
        note(str(error) or "Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from error
    except BrokenPipeError as error:  # the reader of a pipe, such as head, has seen enough
        _close_stdout()
        raise typer.Exit(EXIT_CLOSED_PIPE) from error
    except Exception as error:
        if hasattr(error, "format_message") and _another_speaks():  # wrong usage
            time.sleep(HEAD_START)
            raise typer.Exit(EXIT_USER) from error
        if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):  # typer.Exit and wrong usage
            raise
        code, sentence = explain(error)
        if debugging():
            traceback.print_exception(error)
        head = typer.style("Error: ", fg=typer.colors.RED, bold=True)
        typer.echo(head + sentence, err=True)  # at once, or the line of another process may come between
        raise typer.Exit(code) from error


def _another_speaks() -> bool:
    """Return whether torchrun started this process beside others, of which the first speaks."""
    return os.environ.get("RANK", "0") != "0" and "WORLD_SIZE" in os.environ


def explain(error: Exception) -> tuple[int, str]:
    """Return the exit code and the sentence for an exception."""
    if isinstance(error, CytosaeError):
        return EXIT_USER, str(error)
    if is_out_of_memory(error):
        return EXIT_USER, (
            "Memory ran out. Lower what is held at once (--batch-tokens, --batch-images) or the size of the "
            "SAE (--expansion), or choose another --device."
        )
    if isinstance(error, OSError) and error.errno in (*_DISK_FULL, *_FORBIDDEN):
        return EXIT_USER, _explain_disk(error)
    return EXIT_FAULT, f"{_unexpected(error)} Run the same command with --debug for the traceback."


def _explain_disk(error: OSError) -> str:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in _DISK_FULL:
        return f"The disk is full{where}; complete parts are kept. Free some space and run the command again."
    return f"Access is refused{where}: {error.strerror}. Choose another place or change its permissions."


def _unexpected(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return f"Something unexpected happened: {type(error).__name__}{': ' if text else ''}{text}."


def _close_stdout() -> None:
    """Point stdout at nothing, so that Python's flush at exit does not complain."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # stdout is no file, as under tests
        return


@contextmanager
def own_warnings_as_lines() -> Iterator[None]:
    """Print the toolkit's own warnings as one line on stderr; those of libraries as Python does."""
    before = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category.__module__.partition(".")[0] != "cytosae_toolkit":
            before(message, category, filename, lineno, file, line)
        elif category.__name__.endswith("Note"):
            note(f"Note: {message}")
        else:
            warn(str(message))

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
