"""Tables of ``explain`` in a terminal, with what their columns mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytosae_toolkit.cli.common import say, stdout_console

if TYPE_CHECKING:
    import pandas as pd

LEGEND = {
    "activation": "on this patch",
    "score": "contrast of the region against the rest, in spreads",
    "inside": "mean in the region",
    "outside": "mean elsewhere",
    "share_inside": "share of all activation that lies in the region",
    "mean": "mean activation here, over all tokens",
    "max": "largest on a patch here",
    "peak": "that patch, ROW,COL from the upper left",
    "count": "patches above the threshold",
    "n_active": "cells or windows on which it is active",
    "best": "number of the one with the largest mean",
    "mean_activation": "mean over the whole atlas",
    "frequency": "share of the atlas's images on which it is active",
    "dominant_share": "of its activation on its reference images",
    "similarity": "0 to 1",
    "shared": "latents that contribute most",
}
"""What columns mean, in the order in which they are explained."""

_LEFT = ("name", "label", "shared", "flags", "file", "id")
_LONG_ID, _SHORT_ID = 20, 8


def print_table(table: pd.DataFrame) -> None:
    """Print a table, and below it a line that explains its columns."""
    from rich.table import Table

    plain = _readable(table)
    grid = Table(box=None, pad_edge=False)
    for name in (plain.index.name or "", *plain.columns):
        grid.add_column(str(name), justify="left" if name in _LEFT else "right")
    for index, row in plain.iterrows():
        grid.add_row(str(index), *(_text(value) for value in row))
    stdout_console().print(grid)
    say(footnote([str(name) for name in plain.columns]))


def footnote(columns: list[str]) -> str:
    """Return one line that explains those columns that do not speak for themselves."""
    return "; ".join(f"{name}: {meaning}" for name, meaning in LEGEND.items() if name in columns)


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Join the flags into one column, shorten checksums, and leave out columns that say nothing."""
    from cytosae_toolkit.atlas.describing import FLAGS, flags_of

    flags = [name for name in FLAGS if name in table.columns]
    if flags:
        table = table.assign(flags=[" ".join(flags_of(dict(row))) for _, row in table.iterrows()]).drop(columns=flags)
    if "id" in table.columns:
        table = table.assign(id=[_short(str(value)) for value in table["id"]])
    empty = [name for name in table.columns if all(_text(value) == "" for value in table[name])]
    return table.drop(columns=empty)


def _short(identity: str) -> str:
    return identity if len(identity) <= _LONG_ID else f"{identity[:_SHORT_ID]}…"


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) or hasattr(value, "dtype") else str(value)
