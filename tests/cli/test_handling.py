"""Failures: the exit code and the sentence."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from cytosae_toolkit.cli import handling
from cytosae_toolkit.cli.common import DebugOption, debugging
from cytosae_toolkit.cli.handling import HandlingGroup, explain, failures_as_sentences
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.plugins import PluginNote, PluginWarning


def run(action: Callable[[], Any], *arguments: str) -> Result:
    """Run a program of one command that does something."""
    app = typer.Typer(cls=HandlingGroup)

    @app.callback()
    def program() -> None: ...

    @app.command()
    def act(size: int = 1, debug: DebugOption = False) -> None:
        action()

    return CliRunner().invoke(app, ["act", *arguments])


def raising(error: BaseException) -> Callable[[], Any]:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (CytosaeError("The file is empty.", "Choose another."), 2, "Error: The file is empty. Choose another.\n"),
        (MemoryError(), 2, "Error: Memory ran out. Lower"),
        (torch.OutOfMemoryError("CUDA out of memory"), 2, "Error: Memory ran out."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "Error: Memory ran out."),
        (OSError(errno.ENOSPC, "No space left", "/data/run"), 2, "Error: The disk is full at /data/run;"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), 2, "Error: Access is refused at /etc/x:"),
        (KeyError("column"), 1, "Error: Something unexpected happened: KeyError: 'column'. Run the same"),
        (RuntimeError("DefaultGPU"), 1, "Error: Something unexpected happened: RuntimeError"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (KeyboardInterrupt("State saved; go on with --resume."), 130, "State saved; go on with --resume.\n"),
        (BrokenPipeError(), 141, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_failures_are_sentences(error: BaseException, code: int, text: str) -> None:
    result = run(raising(error))
    assert result.exit_code == code
    assert result.stderr.startswith(text) and "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_failure_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(typer, "echo", lambda text, err: written.append(text))
    with pytest.raises(typer.Exit), failures_as_sentences():
        raise CytosaeError("The cell is lost.", "Find it.")
    (line,) = written
    assert "Error: " in line
    assert line.endswith("The cell is lost. Find it.")


def test_debug_adds_the_traceback() -> None:
    result = run(raising(CytosaeError("The file is empty.")), "--debug")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr and result.stderr.endswith("Error: The file is empty.\n")


def test_debug_is_forgotten_by_the_next_command() -> None:
    run(lambda: None, "--debug")
    assert debugging()
    assert "Traceback" not in run(raising(CytosaeError("Empty."))).stderr


def test_wrong_usage_is_left_to_typer() -> None:
    for arguments in (["--size", "big"], ["--siz", "3"]):
        result = run(lambda: None, *arguments)
        assert result.exit_code == 2 and "--size" in result.stderr


def test_of_several_processes_one_tells_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "HEAD_START", 0.0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, told in (("0", True), ("1", False)):
        monkeypatch.setenv("RANK", rank)
        result = run(lambda: None, "--no-such-option")
        assert result.exit_code == 2
        assert bool(result.stderr) is told


def test_exit_codes_of_commands_pass() -> None:
    assert run(raising(typer.Exit(2))).exit_code == 2
    assert run(lambda: None).exit_code == 0


def test_own_warnings_are_lines_on_stderr() -> None:
    def warn() -> None:
        warnings.warn("A plugin is broken.", PluginWarning, stacklevel=1)
        warnings.warn("Another version.", PluginNote, stacklevel=1)

    before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = run(warn)
    assert result.stderr == "Warning: A plugin is broken.\nNote: Another version.\n"
    assert warnings.showwarning is before


def test_explain_names_the_type_even_without_a_text() -> None:
    assert explain(ValueError()) == (
        1,
        "Something unexpected happened: ValueError. Run the same command with --debug for the traceback.",
    )


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX pipe")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    script = "from cytosae_toolkit.cli.main import main; import sys; sys.argv = ['x', 'plugins', '--json']; main()"
    done = subprocess.run([sys.executable, "-c", script], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""
