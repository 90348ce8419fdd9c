"""The query language of the atlas: text to a small tree. Nothing is ever evaluated as code.

::

    query      = { either }                          white space means AND
    either     = all { "OR" all }
    all        = term { ["AND"] term }
    term       = { "NOT" | "-" } ( "(" either ")" | "#" number | field | word | "phrase" )
    field      = name ( ":" | "=" | "!=" | "<" | "<=" | ">" | ">=" ) ( value | "quoted value" )

``AND``, ``OR`` and ``NOT`` are written in capitals; ``OR`` binds weaker than white space. Which fields there are is not
known here, see `cytosae_toolkit.atlas.searching`. A word of digits is free text and the number of a latent at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cytosae_toolkit.atlas.query_tokens import QueryError, Token, tokenize

__all__ = [
    "And",
    "Field",
    "Latents",
    "Node",
    "Not",
    "Or",
    "QueryError",
    "Words",
    "nodes",
    "numbers_of",
    "parse",
    "texts_of",
]

MAX_DEPTH = 50
"""Parentheses within parentheses."""

_DIGITS = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True)
class Words:
    """Free text: one word, or a phrase whose words stand side by side."""

    text: str

    @property
    def number(self) -> int | None:
        """The latent whose number it is; None where it has other signs than digits."""
        return int(self.text) if _DIGITS.fullmatch(self.text) else None


@dataclass(frozen=True)
class Latents:
    """Latents by number."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Field:
    """A condition on a field.

    Parameters
    ----------
    name : str
        As written.
    operator : str
        ``:``, ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
    values : tuple of str
        Alternatives; several only from an unquoted ``a|b``.
    position, value_position : int
        Where name and value start, for messages.
    """

    name: str
    operator: str
    values: tuple[str, ...]
    position: int
    value_position: int


@dataclass(frozen=True)
class And:
    """All of them; none means everything."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """Any of them."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Not:
    """All latents that the part does not match."""

    part: Node


Node = Words | Latents | Field | And | Or | Not


def parse(query: str) -> Node:
    """Turn a query into a tree.

    Parameters
    ----------
    query : str
        What the user wrote; an empty one matches everything.

    Returns
    -------
    Node
        `And`, `Or`, `Not`, `Words`, `Latents` or `Field`.

    Raises
    ------
    QueryError
        If the query is malformed; it says where and why.
    """
    return _Parser(query).parse()


class _Parser:
    """Recursive descent: one method per rule of the grammar."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.tokens = list(tokenize(query))
        self.i = 0
        self.depth = 0

    def parse(self) -> Node:
        if self._peek().kind == "end":
            return And(())
        tree = self._either()
        if self._peek().kind != "end":
            raise self._error(self._peek(), "this parenthesis closes nothing", "Take it away.")
        return tree

    def _peek(self) -> Token:
        return self.tokens[self.i]

    def _take(self) -> Token:
        self.i += 1
        return self.tokens[self.i - 1]

    def _error(self, token: Token, problem: str, hint: str) -> QueryError:
        return QueryError(self.query, token.position, problem, hint)

    def _either(self) -> Node:
        parts = [self._all()]
        while self._peek().kind == "OR":
            self._take()
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Node:
        parts = [self._term()]
        while self._peek().kind not in ("end", ")", "OR"):
            if self._peek().kind == "AND":
                self._take()
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _term(self) -> Node:
        negated = False
        while self._peek().kind == "NOT":
            self._take()
            negated = not negated
        part = self._atom()
        return Not(part) if negated else part

    def _atom(self) -> Node:
        token = self._take()
        if token.kind == "(":
            return self._parenthesis(token)
        if token.kind == "latents":
            return Latents(tuple(int(number.lstrip("#")) for number in token.text.split(",")))
        if token.kind in ("word", "phrase"):
            return self._field(token) if self._peek().kind == "operator" else Words(token.text)
        if token.kind == "operator":
            raise self._error(token, f"{token.text} needs the name of a field before it", "Write entropy<0.5.")
        what = "the query ends" if token.kind == "end" else f"{token.text} stands"
        raise self._error(token, f"{what} where a term should be", "Put text with such words in quotes.")

    def _parenthesis(self, opening: Token) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(opening, f"there are more than {MAX_DEPTH} parentheses within one another", "Use fewer.")
        inner = self._either()
        if self._peek().kind != ")":
            raise self._error(opening, "this parenthesis is not closed", "Write a ) after its terms.")
        self._take()
        self.depth -= 1
        return inner

    def _field(self, name: Token) -> Node:
        operator, value = self._take(), self._take()
        values = tuple(filter(None, value.text.split("|"))) if value.kind == "value" else (value.text,)
        return Field(name.text.lower(), operator.text, values or (value.text,), name.position, value.position)


def texts_of(node: Node) -> list[list[str]]:
    """Return the free text of a query, which relevance is measured by: words that stand together in one list.

    Alternatives stand in lists of their own; negated text is left out.
    """
    if isinstance(node, Words):
        return [[node.text]]
    if isinstance(node, Or):
        return [texts for part in node.parts for texts in texts_of(part)]
    if not isinstance(node, And):
        return []
    together = [part.text for part in node.parts if isinstance(part, Words)]
    apart = [texts for part in node.parts if not isinstance(part, Words) for texts in texts_of(part)]
    return [together, *apart] if together else apart


def numbers_of(node: Node) -> list[int]:
    """Return the latents that a query names by number, with ``#`` or without."""
    found: list[int] = []
    for part in nodes(node):
        if isinstance(part, Latents):
            found += part.numbers
        elif isinstance(part, Words) and part.number is not None:
            found.append(part.number)
    return found


def nodes(node: Node) -> Iterator[Node]:
    """Yield a tree's nodes, parents first."""
    yield node
    parts = node.parts if isinstance(node, And | Or) else (node.part,) if isinstance(node, Not) else ()
    for part in parts:
        yield from nodes(part)
