"""``atlas``: what each latent means - build, extend, browse, search, name, share."""

from __future__ import annotations

from importlib import import_module

import typer

COMMANDS = (
    "atlas_build", "atlas_info", "atlas_search", "atlas_show", "atlas_names", "atlas_review", "atlas_figure",
    "atlas_pack", "atlas_import",
)  # fmt: skip
"""Modules of this package, each with ``register(app)``, in the order of ``atlas --help``."""


def register(app: typer.Typer) -> None:
    """Add ``atlas`` to the program."""
    atlas = typer.Typer(
        no_args_is_help=True,
        help="What each latent means: build an atlas, browse, search, name and share it.",
    )
    for module in COMMANDS:
        import_module(f"cytosae_toolkit.cli.{module}").register(atlas)
    app.add_typer(atlas, name="atlas")
