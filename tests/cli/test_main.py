"""The program as a whole."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from cytosae_toolkit.cli.main import COMMANDS, app


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for module in COMMANDS:
        assert module.replace("_", "-") in result.stdout


def test_no_argument_shows_help() -> None:
    assert "Usage" in CliRunner().invoke(app, []).output


ATLAS = ("build", "add", "merge", "info", "search", "similar", "show", "name", "names", "review", "figure", "pack",
         "import-statistics")  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [*([name.replace("_", "-")] for name in COMMANDS if name != "atlas"), *(["atlas", name] for name in ATLAS)],
    ids=" ".join,
)
def test_every_command_has_help_with_debug(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0 and "--debug" in result.stdout


def test_the_version_is_the_distributions() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.stdout == f"cytosae-toolkit {version('cytosae-toolkit')}\n"


@pytest.mark.parametrize(
    ("arguments", "offer"),
    [(["plugin"], "plugins"), (["plugins", "shw"], "show"), (["plugins", "--jsn"], "--json")],
)
def test_mistyped_commands_and_options_offer_the_nearest(arguments: list[str], offer: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and offer in result.stderr


def test_python_m_is_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cytosae_toolkit", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("cytosae-toolkit ")
