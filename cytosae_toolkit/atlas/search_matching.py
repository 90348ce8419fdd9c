"""Which latents match a query: a mask over latents for each node of its tree."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.names_file import VERDICTS
from cytosae_toolkit.atlas.query import And, Field, Latents, Node, Not, Or, QueryError, Words
from cytosae_toolkit.atlas.search_fields import FLAGS, FREE_TEXT, SET_PREFIX, TEXT_ALIASES, Fields
from cytosae_toolkit.errors import CytosaeError, nearest

Mask = NDArray[np.bool_]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_COMPARE: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


class Evaluation:
    """Answers each node of a query by a mask over latents.

    Parameters
    ----------
    fields : Fields
        Of the table of latents.
    query : str
        What the user wrote, shown in messages.
    """

    def __init__(self, fields: Fields, query: str) -> None:
        self.fields = fields
        self.query = query

    def mask(self, node: Node) -> Mask:
        """Return which latents a node matches, bool [n].

        Raises
        ------
        QueryError
            If a condition is on no field, or cannot be understood.
        CytosaeError
            If it asks for a latent by a number that does not exist.
        """
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
                return np.asarray(_contains_words(self.fields, text) | (self.fields.numbers == node.number))
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


def _contains_words(fields: Fields, text: str) -> Mask:
    """Return which latents have a text in their name, note or labels, bool [n]."""
    wanted = [" ".join(text.casefold().split())]
    found = np.zeros(len(fields), dtype=bool)
    for name in FREE_TEXT:
        column = fields.text(name)
        if column is not None:
            found |= column.contains(wanted)
    return found
