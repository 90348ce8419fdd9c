"""The pieces of a query: words, phrases, numbers of latents, operators with their values, parentheses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cytosae_toolkit.errors import CytosaeError

_SHOWN = 70
_OPERATOR = re.compile(r"<=|>=|!=|[<>=:≤≥≠]")
_PLAIN = {"≤": "<=", "≥": ">=", "≠": "!="}
_LATENTS = re.compile(r"#([0-9]{1,18}(?:,#?[0-9]{1,18})*)(?![^\s()])")
_WORD = re.compile(r"""[^\s()"<>=:≤≥≠!]+(?:!(?!=)[^\s()"<>=:≤≥≠!]*)*""")
_VALUE = re.compile(r"[^\s()]+")


class QueryError(CytosaeError):
    """A query that cannot be understood.

    Parameters
    ----------
    query : str
        All of it.
    position : int
        0-based, where the trouble starts.
    problem : str
        What it is, as a clause.
    hint : str, optional
        What to do about it.

    Attributes
    ----------
    position, problem, advice
        As above, for those who show the query themselves.
    """

    def __init__(self, query: str, position: int, problem: str, hint: str | None = None) -> None:
        self.position, self.problem, self.advice = position, problem, hint
        start = max(0, position - _SHOWN // 2)
        line = re.sub(r"\s", " ", query[start : start + _SHOWN])
        super().__init__(
            f"The query is not understood at position {position + 1}: {problem}.\n"
            f"    {line}\n    {' ' * (position - start)}^" + ("" if hint is None else f"\n{hint}")
        )


@dataclass(frozen=True)
class Token:
    """A piece of a query.

    Parameters
    ----------
    kind : str
        ``word``, ``phrase``, ``latents``, ``operator``, ``value``, ``quoted`` (value), ``(``, ``)``, ``AND``, ``OR``,
        ``NOT`` or ``end``.
    text : str
        Without quotes.
    position : int
        0-based start.
    """

    kind: str
    text: str
    position: int


def tokenize(query: str) -> Iterator[Token]:
    """Cut a query into tokens, the last of kind ``end``.

    Raises
    ------
    QueryError
        If a quotation mark is not closed, ``#`` has no number, or an operator has no name or value.
    """
    position = 0
    while (position := _skip_space(query, position)) < len(query):
        token, position = _next_token(query, position)
        yield token
        if token.kind == "operator":
            value, position = _value(query, token, position)
            yield value
    yield Token("end", "", len(query))


def _skip_space(query: str, position: int) -> int:
    while position < len(query) and query[position].isspace():
        position += 1
    return position


def _next_token(query: str, position: int) -> tuple[Token, int]:
    character = query[position]
    if character in "()":
        return Token(character, character, position), position + 1
    if character == '"':
        return _quoted(query, position, "phrase")
    if character == "-" and query[position + 1 : position + 2].strip() and not _attached(query, position):
        return Token("NOT", "-", position), position + 1
    if character == "#":
        return _latents(query, position)
    if operator := _OPERATOR.match(query, position):
        return Token("operator", _PLAIN.get(operator[0], operator[0]), position), operator.end()
    word = _WORD.match(query, position)
    if word is None:
        raise QueryError(query, position, f"{character} stands alone", "Put text with such characters in quotes.")
    kind = word[0] if word[0] in ("AND", "OR", "NOT") else "word"
    return Token(kind, word[0], position), word.end()


def _attached(query: str, position: int) -> bool:
    return position > 0 and not (query[position - 1].isspace() or query[position - 1] in "(-")


def _quoted(query: str, position: int, kind: str) -> tuple[Token, int]:
    end = query.find('"', position + 1)
    if end < 0:
        raise QueryError(query, position, "this quotation mark is not closed", 'Write another " after the text.')
    return Token(kind, query[position + 1 : end], position), end + 1


def _latents(query: str, position: int) -> tuple[Token, int]:
    found = _LATENTS.match(query, position)
    if found is None:
        raise QueryError(query, position, "# needs the number of a latent after it", "Write #1234 or #12,40,77.")
    return Token("latents", found[1], position), found.end()


def _value(query: str, operator: Token, position: int) -> tuple[Token, int]:
    position = _skip_space(query, position)
    if query[position : position + 1] == '"':
        return _quoted(query, position, "quoted")
    found = _VALUE.match(query, position)
    if found is None:
        raise QueryError(query, operator.position, f"{operator.text} needs a value after it", "Write entropy<0.5.")
    return Token("value", found[0], position), found.end()
