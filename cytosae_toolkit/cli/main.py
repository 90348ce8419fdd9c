"""The program ``cytosae-toolkit``."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from cytosae_toolkit.cli.handling import HandlingGroup

COMMANDS = (
    "demo",
    "plugins",
    "weights",
    "tokens",
    "train",
    "evaluate",
    "import_checkpoint",
    "atlas",
    "explain",
    "cells",
    "barcodes",
    "classify",
    "compare",
    "report",
    "view",
    "sweep",
    "verify",
)
"""Modules of this package, each with ``register(app)``, in the order of ``--help``."""

app = typer.Typer(
    cls=HandlingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"cytosae-toolkit {version('cytosae-toolkit')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Sparse autoencoders for hematology foundation models: train, browse, name and count concepts."""


for _module in COMMANDS:
    import_module(f"cytosae_toolkit.cli.{_module}").register(app)


def main() -> None:
    """Run the program."""
    app(prog_name="cytosae-toolkit")
