"""What could stand at the cursor of a query: completions for a search box."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from cytosae_toolkit.atlas.names_file import VERDICTS
from cytosae_toolkit.atlas.search_fields import ALIASES, FLAGS, Fields

_MOST = 12
_PIECE = re.compile(r'[^\s()"]*(?:"[^"]*(?:"|$))?')
_FIELD = re.compile(r"(-?\w+)(<=|>=|!=|[<>=:])(.*)", re.DOTALL)


def piece_at(text: str, cursor: int) -> tuple[int, str]:
    """Return start and text of the piece of a query that ends at the cursor; quoted text is one piece.

    Parameters
    ----------
    text : str
        The query.
    cursor : int
        0-based; the piece lies before it.
    """
    before, position = text[:cursor], 0
    while position < len(before):
        piece = _PIECE.match(before, position)
        end = position if piece is None else piece.end()
        if end == len(before):
            return position, before[position:]
        position = max(end, position + 1)
    return len(before), ""


def suggest(latents: pd.DataFrame, text: str, cursor: int | None = None) -> list[str]:
    """Return texts that may replace the piece before the cursor (`piece_at`): fields, labels, names; 12 at most.

    Parameters
    ----------
    latents : pandas.DataFrame
        As for `search`.
    text : str
        The query so far.
    cursor : int, optional
        Position in it; by default its end.
    """
    fields = Fields(latents)
    _, piece = piece_at(text, len(text) if cursor is None else cursor)
    if field := _FIELD.match(piece):
        name, operator, value = field.groups()
        values = _matching(_values(fields, name.lstrip("-").lower()), value)
        return [f"{name}{operator}{_quote(found)}" for found in values[:_MOST]]
    bare = piece.lstrip("-")
    minus = piece[: len(piece) - len(bare)]
    names = [] if not bare or bare.startswith('"') else _matching(_written(fields), bare, prefix=True)
    texts = [_quote(found) for found in _matching([*_used_names(fields), *fields.labels()], bare)] if bare else []
    return [minus + found for found in (names + texts)[:_MOST]]


def _values(fields: Fields, name: str) -> list[str]:
    if name == "named":
        return ["yes", "no"]
    if name == "flag":
        return [*FLAGS, "any", "none"]
    if name == "verdict":
        return [*VERDICTS, "none"]
    if name == "set":
        return fields.sets
    if name == "name":
        return _used_names(fields)
    if name in fields.text_columns:
        return fields.values(name)
    return ["yes", "no"] if name in fields.bool_columns else []


def _used_names(fields: Fields) -> list[str]:
    """Return names, those of most latents first."""
    if "name" not in fields.latents.columns:
        return []
    names = fields.latents["name"]
    return [str(name) for name in names[names.notna() & (names != "")].value_counts(sort=True).index]


def _written(fields: Fields) -> list[str]:
    """Return fields as they are written, short names before full ones."""
    short = [f"{name}{'<' if name == 'entropy' else '>'}" for name in ALIASES if name in fields.numeric_columns]
    full = [f"{name}>" for name in fields.numeric_columns if name not in ALIASES]
    special = ["named:", "flag:", *(["set:"] if fields.sets else [])]
    return [*(f"{name}:" for name in fields.text_columns), *special, *short, *full]


def _matching(choices: Iterable[str], text: str, *, prefix: bool = False) -> list[str]:
    """Return choices that start with a text, then, unless only the start counts, those that contain it."""
    wanted = text.strip('"').casefold()
    first = [choice for choice in choices if choice.casefold().startswith(wanted)]
    if prefix:
        return first
    return first + [choice for choice in choices if wanted in choice.casefold() and choice not in first]


def _quote(text: str) -> str:
    plain = text.replace('"', "")
    return plain if re.fullmatch(r"[^\s()<>=:|!#-][^\s()<>=:|!]*", plain) else f'"{plain}"'
