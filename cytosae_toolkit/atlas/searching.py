"""Search over latents: which match a query, in which order.

A query that mentions no flag and no ``#number`` hides flagged latents, except those that it names by number. Undefined
(NaN) values match no comparison and come last in every order; ``NOT`` means all latents that its term does not match.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.names_file import VERDICTS
from cytosae_toolkit.atlas.query import (
    And,
    Field,
    Latents,
    Node,
    Not,
    Or,
    QueryError,
    Words,
    nodes,
    numbers_of,
    parse,
    texts_of,
)
from cytosae_toolkit.atlas.search_fields import FLAGS, FREE_TEXT, SET_PREFIX, TEXT_ALIASES, Fields
from cytosae_toolkit.atlas.search_hints import hint_of
from cytosae_toolkit.errors import CytosaeError, nearest

Mask = NDArray[np.bool_]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_COMPARE: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")
_ASCENDING = ("label_entropy", "latent")


def search(
    latents: pd.DataFrame,
    query: str,
    *,
    limit: int | None = 20,
    sort: str | None = None,
    descending: bool | None = None,
    hidden: bool = False,
) -> pd.DataFrame:
    """Find latents.

    Parameters
    ----------
    latents : pandas.DataFrame
        One row per latent, the index is its number; columns as `Atlas.latents` has them, absent ones count as empty.
    query : str
        See `cytosae_toolkit.atlas.query`; an empty one matches every latent.
    limit : int, optional
        How many at most; None means all.
    sort : str, optional
        A column or its short name; by default relevance, then mean activation.
    descending : bool, optional
        By default numbers descend, but entropy, latent and text ascend. Undefined values come last either way.
    hidden : bool
        Show flagged latents too; those with a name are always shown.

    Returns
    -------
    pandas.DataFrame
        The rows, best first. ``attrs["n_matches"]`` is how many match and are not hidden, ``attrs["n_hidden"]`` how
        many match and are hidden, ``attrs["hint"]`` what may have been meant where none matches, else "".

    Raises
    ------
    QueryError
        If the query cannot be understood; it says where and why.
    CytosaeError
        If `sort` is no column, or a latent is asked for by a number that does not exist.
    """
    matches = find(Fields(latents), query, sort=sort, descending=descending, hidden=hidden)
    found = latents.iloc[matches.rows[:limit]].copy()
    found.attrs = {"n_matches": len(matches.rows), "n_hidden": matches.n_hidden, "hint": matches.hint}
    return found


@dataclass(frozen=True, eq=False)
class Matches:
    """What a query finds.

    Parameters
    ----------
    rows : int64 array [n]
        Rows of the table that match and are not hidden, best first.
    n_hidden : int
        How many match and are hidden.
    hint : str
        What may have been meant where none matches, else "".
    """

    rows: NDArray[np.intp]
    n_hidden: int
    hint: str


def find(
    fields: Fields, query: str, *, sort: str | None = None, descending: bool | None = None, hidden: bool = False
) -> Matches:
    """Do what `search` does without copying the table; for those who search one table again and again.

    Parameters
    ----------
    fields : Fields
        Of the table; what it has read once it keeps.
    query, sort, descending, hidden
        As for `search`, which also says what is raised.
    """
    tree = parse(query)
    evaluation = _Evaluation(fields, query)
    matches = evaluation.mask(tree)
    asked = np.isin(fields.numbers, numbers_of(tree))
    shown = matches if hidden or _mentions_flags(tree) else matches & (~fields.hidden | asked)
    rows = np.flatnonzero(shown)
    order = _relevance(fields, tree, rows) if sort is None else _by_column(fields, sort, descending, rows)
    hint = "" if matches.any() else hint_of(tree, fields, evaluation.mask)
    return Matches(rows[order], int(matches.sum()) - len(rows), hint)


def _mentions_flags(tree: Node) -> bool:
    return any(
        isinstance(node, Latents) or (isinstance(node, Field) and node.name.startswith("flag")) for node in nodes(tree)
    )


class _Evaluation:
    """Answers each node of a query by a mask over latents."""

    def __init__(self, fields: Fields, query: str) -> None:
        self.fields = fields
        self.query = query

    def mask(self, node: Node) -> Mask:
        match node:
            case And(parts):
                return self._reduce(np.logical_and, parts, empty=True)
            case Or(parts):
                return self._reduce(np.logical_or, parts, empty=False)
            case Not(part):
                return ~self.mask(part)
            case Latents(numbers):
                return self._latents(numbers)
            case Words(text):
                return np.asarray(contains_words(self.fields, text) | (self.fields.numbers == node.number))
            case Field():
                return self._field(node)

    def _reduce(self, function: Any, parts: tuple[Node, ...], *, empty: bool) -> Mask:
        found = np.full(len(self.fields), empty)
        for part in parts:
            found = function(found, self.mask(part))
        return found

    def _latents(self, numbers: tuple[int, ...]) -> Mask:
        known = self.fields.numbers
        unknown = sorted(set(numbers) - set(known.tolist()))
        if unknown:
            hint = f"Choose {known.min()} to {known.max()}." if len(known) else None
            raise CytosaeError(f"There is no latent {unknown[0]} among these {len(known)}.", hint)
        return np.isin(known, numbers)

    def _field(self, field: Field) -> Mask:
        special = {"named": self._named, "flag": self._flag, "set": self._set}
        if field.name in special:
            self._only(field, ":", "=", "!=")
            found = special[field.name](field)
            return ~found if field.operator == "!=" else found
        if field.name in self.fields.numeric_columns:
            return self._number(field)
        if field.name in self.fields.bool_columns:
            self._only(field, ":", "=")
            return np.asarray(self.fields.flag(field.name) == self._yes(field))
        if field.name in self.fields.text_columns:
            return self._text(field)
        if field.name in TEXT_ALIASES:
            raise self._error(field, "these images have no labels", "Leave the term out.")
        raise self._error(
            field,
            f"{field.name!r} is no field",
            f"{nearest(field.name, self.fields.names)} Free text with such characters needs quotes.",
        )

    def _error(self, field: Field, problem: str, hint: str, *, at_value: bool = False) -> QueryError:
        return QueryError(self.query, field.value_position if at_value else field.position, problem, hint)

    def _only(self, field: Field, *operators: str) -> None:
        if field.operator not in operators:
            problem = f"{field.name} cannot be compared by {field.operator}"
            raise self._error(field, problem, f"Write {field.name}:VALUE.")

    def _number(self, field: Field) -> Mask:
        if field.operator == ":":
            raise self._error(field, f"{field.name} is a number", f"Write {field.name}<0.5, or >, <=, >=, =, !=.")
        values = self.fields.number(self.fields.numeric_columns[field.name])
        found = np.logical_or.reduce(
            [_COMPARE[field.operator](values, self._float(field, text)) for text in field.values]
        )
        return np.asarray(found & ~np.isnan(values))

    def _float(self, field: Field, text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(value):
            hint = "Write a number such as 0.5 or 1e-3."
            raise self._error(field, f"{field.name} is compared with {text!r}, which is no number", hint, at_value=True)
        return value

    def _yes(self, field: Field) -> bool:
        value = field.values[0].lower()
        if len(field.values) > 1 or value not in (*_YES, *_NO):
            hint = f"Write {field.name}:yes or {field.name}:no."
            raise self._error(field, f"{'|'.join(field.values)!r} is neither yes nor no", hint, at_value=True)
        return value in _YES

    def _named(self, field: Field) -> Mask:
        return np.asarray(self.fields.named == self._yes(field))

    def _flag(self, field: Field) -> Mask:
        masks_of = {"any": self.fields.flagged, "none": ~self.fields.flagged}
        choices = [*FLAGS, *masks_of]
        masks = []
        for value in field.values:
            name = value.lower().replace("_", "-").replace("color", "colour")
            if name not in choices:
                raise self._error(field, f"{value!r} is no flag", nearest(name, choices), at_value=True)
            masks.append(masks_of[name] if name in masks_of else self.fields.flag(FLAGS[name]))
        return np.asarray(np.logical_or.reduce(masks))

    def _set(self, field: Field) -> Mask:
        found = np.zeros(len(self.fields), dtype=bool)
        for value in field.values:
            sets = [name for name in self.fields.sets if value.casefold() in name.casefold()]
            if not sets:
                problem = f"there are statistics of no image set {value!r}"
                raise self._error(field, problem, nearest(value, self.fields.sets), at_value=True)
            for name in sets:
                found |= self.fields.number(SET_PREFIX + name) > 0
        return found

    def _text(self, field: Field) -> Mask:
        self._only(field, ":", "=", "!=")
        if field.name == "verdict":
            self._check_verdicts(field)
        wanted = ["" if _means_empty(field, value) else value.casefold() for value in field.values]
        exact = field.operator != ":"
        found = self.fields.text_field(field.name).where(
            lambda text: any(text == value if exact or not value else value in text for value in wanted)
        )
        return ~found if field.operator == "!=" else found

    def _check_verdicts(self, field: Field) -> None:
        for value in field.values:
            if not any(value.lower() in verdict for verdict in (*VERDICTS, "none")):
                raise self._error(field, f"{value!r} is no verdict", nearest(value, (*VERDICTS, "none")), at_value=True)


def _means_empty(field: Field, value: str) -> bool:
    return not value or (field.name == "verdict" and value.lower() == "none")


def contains_words(fields: Fields, text: str) -> Mask:
    """Return which latents have a text in their name, note or labels, bool [n]."""
    wanted = [" ".join(text.casefold().split())]
    found = np.zeros(len(fields), dtype=bool)
    for name in FREE_TEXT:
        column = fields.text(name)
        if column is not None:
            found |= column.contains(wanted)
    return found


def _relevance(fields: Fields, tree: Node, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Order rows: number, name exact, name starts so, words in name, in note, in label; then mean activation."""
    score = np.zeros(len(fields), dtype=np.int64)
    for texts in texts_of(tree):
        score = np.maximum(score, _score(fields, [" ".join(text.casefold().split()) for text in texts]))
    return np.lexsort((rows, -_mean(fields)[rows], -score[rows]))


def _score(fields: Fields, words: list[str]) -> NDArray[np.int64]:
    score, whole = np.zeros(len(fields), dtype=np.int64), " ".join(words)
    if (notes := fields.text("note")) is not None:
        score = np.maximum(score, 1 * notes.contains(words))
    if (names := fields.text("name")) is not None:
        score = np.maximum(score, 2 * names.contains(words))
        score = np.maximum(score, 3 * names.where(lambda text: text.startswith(whole)))
        score = np.maximum(score, 4 * names.where(lambda text: text == whole))
    if len(words) == 1:
        score = np.maximum(score, 5 * (fields.numbers == Words(whole).number))
    return score


def _mean(fields: Fields) -> NDArray[np.float64]:
    """Return mean activation with undefined as -inf, so that it comes last in descending order."""
    if "mean_activation" not in fields.latents.columns:
        return np.zeros(len(fields))
    mean = fields.number("mean_activation")
    return np.where(np.isnan(mean), -np.inf, mean)


def _by_column(fields: Fields, sort: str, descending: bool | None, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    keys, missing, ascending = _sort_keys(fields, sort, rows)
    down = not ascending if descending is None else descending
    return np.lexsort((rows, -_mean(fields)[rows], -keys if down else keys, missing))


def _sort_keys(fields: Fields, sort: str, rows: NDArray[np.intp]) -> tuple[NDArray[Any], Mask, bool]:
    """Return numbers to sort rows by, which of them are undefined, and whether they ascend by default."""
    name = sort.lower()
    if name in fields.numeric_columns or name in fields.bool_columns:
        column = fields.numeric_columns.get(name, name)
        values = fields.number(column)[rows]
        missing = np.isnan(values)
        return np.where(missing, 0.0, values), missing, column in _ASCENDING
    if name in fields.text_columns:
        texts = fields.latents[fields.text_columns[name]].iloc[rows].astype("object").fillna("")
        folded = texts.map(lambda text: str(text).casefold())
        ranks = np.unique(folded.to_numpy(dtype=str), return_inverse=True)[1] if len(rows) else np.zeros(0)
        return ranks, (folded == "").to_numpy(), True
    names = [*fields.text_columns, *fields.numeric_columns, *fields.bool_columns]
    raise CytosaeError(f"There is no column {sort!r} to sort by.", nearest(name, names))
