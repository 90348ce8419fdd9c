"""``weights``: which published weights there are, which are cached, and how to fetch them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    JsonOption,
    OfflineOption,
    QuietOption,
    print_json,
    say,
    stdout_console,
)

if TYPE_CHECKING:
    from cytosae_toolkit.weights import CatalogueEntry

commands = typer.Typer(help="List and fetch the published weights of backbones.")


def register(app: typer.Typer) -> None:
    """Add ``weights`` to the program."""
    app.add_typer(commands, name="weights")


@commands.callback(invoke_without_command=True)
def _weights(ctx: typer.Context, json: JsonOption = False, debug: DebugOption = False) -> None:
    if ctx.invoked_subcommand is None:
        list_weights(json=json)


@commands.command("list")
def list_weights(json: JsonOption = False, debug: DebugOption = False) -> None:
    """Show what is cached, where it comes from, its checksum and its licence."""
    from cytosae_toolkit.weights import catalogue, weights_folder

    entries = catalogue()
    if json:
        print_json(entries)
        return
    _print_table(entries)
    say(f"Cache: {weights_folder()}. Fetch one with: cytosae-toolkit weights fetch NAME")


@commands.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a backbone or of its file.")],
    offline: OfflineOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Download the weights of a backbone; goes on where an earlier download was cut off."""
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.weights import catalogue, fetch_weights, find_weights

    file = find_weights(name)
    path = fetch_weights(file, offline=offline, progress=progress_for(quiet))
    entry = next(entry for entry in catalogue() if entry.name == file.name)
    if json:
        print_json(entry)
        return
    say(str(path))
    say(f"sha256 {entry.sha256}, checked against {entry.checksum or 'nothing: no checksum is published here'}")
    say(f"Licence {entry.license}. Cite {entry.citation}")


def _print_table(entries: list[CatalogueEntry]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("backbone", "cached", "size", "from", "checksum", "licence"):
        table.add_column(column, overflow="fold")
    for entry in entries:
        table.add_row(
            entry.backbone,
            "yes" if entry.cached else "no",
            "" if entry.size is None else f"{entry.size / 1e6:,.0f} MB",
            entry.url,
            _short(entry),
            entry.license,
        )
    stdout_console().print(table)


def _short(entry: CatalogueEntry) -> str:
    """Return the checksum, shortened, or how it will be known."""
    checksum = entry.checksum or (f"sha256:{entry.sha256}" if entry.sha256 else None)
    return f"{checksum[:23]}…" if checksum else "asked of the publisher"
