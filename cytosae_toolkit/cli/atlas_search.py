"""``atlas search`` and ``atlas similar``: find latents."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from cytosae_toolkit.cli.common import (
    DebugOption,
    JsonOption,
    QuietOption,
    latent_number,
    note,
    print_json,
    say,
    stdout_console,
)

if TYPE_CHECKING:
    import pandas as pd

AtlasArgument = Annotated[Path, typer.Argument(metavar="A", help="Atlas.")]

_SHOWN = {
    "latent": "latent",
    "name": "name",
    "verdict": "verdict",
    "direction_cosine": "direction",
    "coactivation_cosine": "co-activation",
    "mean_activation": "mean",
    "frequency": "frequency",
    "n_groups": "cells",
    "label_entropy": "entropy",
    "dominant_label": "label",
    "dominant_share": "share",
}


_BEST = {"best_label": "best label", "best_precision": "precision"}
"""Columns that are shown where the query asks for one of them."""
_OF_BEST = ("best", "precision", *_BEST)


class QueryCommand(TyperCommand):
    """A command whose words may begin with a minus: what is no option of it belongs to the query."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the options first, so that ``-label:eosinophil`` is not taken for one."""
        takes_value = {
            name: not parameter.is_flag
            for parameter in self.get_params(ctx)
            if isinstance(parameter, TyperOption)
            for name in (*parameter.opts, *parameter.secondary_opts)
        } | dict.fromkeys(ctx.help_option_names, False)
        options: list[str] = []
        words: list[str] = []
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                words += rest
            elif arg.startswith("--") or arg in takes_value:
                options += [arg, *islice(rest, takes_value.get(arg, False))]
            else:
                words.append(arg)
        return super().parse_args(ctx, [*options, "--", *words])


def register(app: typer.Typer) -> None:
    """Add ``search`` and ``similar`` to the group ``atlas``."""
    app.command("search", cls=QueryCommand)(search)
    app.command("similar")(similar)


def search(
    atlas: AtlasArgument,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="QUERY",
            help="Words, label:eosinophil, -label:blast, entropy<0.5, mean>1e-3, best:eosinophil precision>0.8, "
            "named:yes, flag:colour, #1234, OR, NOT, ( ).",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    sort: Annotated[str | None, typer.Option(metavar="COLUMN", help="A column instead of relevance.")] = None,
    descending: Annotated[
        bool | None, typer.Option("--descending/--ascending", help="Which way to sort; by default best first.")
    ] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Show flagged latents too.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Search latents by names, notes, labels and statistics. Put a query with < > ( ) # in quotes."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.atlas.searching import search as find

    found = find(
        open_atlas(atlas).latents,
        " ".join(query or []),
        limit=limit,
        sort=sort,
        descending=descending,
        hidden=hidden,
    )
    n_matches, n_hidden = found.attrs["n_matches"], found.attrs["n_hidden"]
    rows = found.rename_axis("latent").reset_index()
    if json:
        print_json(dict(found.attrs) | {"latents": rows.to_dict("records")})
        return
    print_latents(rows, _BEST if _asks_for_best(query or [], sort) else {})
    say(f"{len(found)} of {n_matches} latents that match." if n_matches else "No latent matches.")
    if found.attrs["hint"]:
        note(found.attrs["hint"])
    if n_hidden:
        more = f"{n_hidden} more" if n_matches else n_hidden
        note(f"{more} match but are flagged (colour, position, set, few cells); --hidden shows them.")


def similar(
    atlas: AtlasArgument,
    latent: Annotated[str, typer.Argument(metavar="LATENT", help="Its number, 12 or #12.")],
    limit: Annotated[int, typer.Option(min=1, help="How many at most by either measure.")] = 10,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the nearest latents by decoder direction and by co-activation over images."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.atlas.similarity import similar as find
    from cytosae_toolkit.cli.progress import progress_for

    opened = open_atlas(atlas)
    number = opened.check_latent(latent_number(latent))
    rows = find(opened, number, limit, progress=progress_for(quiet))
    if json:
        print_json({"latent": number, "similar": rows.to_dict("records")})
        return
    print_latents(rows)


def _asks_for_best(query: list[str], sort: str | None) -> bool:
    from cytosae_toolkit.atlas.query import Field, nodes, parse

    asked = {node.name for node in nodes(parse(" ".join(query))) if isinstance(node, Field)}
    return bool(asked & set(_OF_BEST)) or sort in _OF_BEST


def print_latents(rows: pd.DataFrame, more: Mapping[str, str] = MappingProxyType({})) -> None:
    """Print a table of latents with the columns that matter most, and `more`; empty columns are left out."""
    from rich import box
    from rich.table import Table

    columns = {
        column: title
        for column, title in (_SHOWN | dict(more)).items()
        if column in rows and (rows[column] != "").any()
    }
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, title in columns.items():
        table.add_column(title, overflow="fold", justify="left" if rows[column].dtype == object else "right")
    for row in rows[list(columns)].itertuples(index=False):
        table.add_row(*map(_text, row))
    if len(rows):
        stdout_console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3g}"
    return str(value)
