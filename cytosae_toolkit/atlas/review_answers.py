"""The CSV that a form saves, read with the key of the form: what was answered to which item."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cytosae_toolkit.atlas.names_csv import read_rows
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json

_COLUMNS = ("form", "item", "verdict", "choice", "name", "note", "seconds", "reviewer")
_REQUIRED = ("form", "item", "verdict")


@dataclass(frozen=True)
class Answers:
    """Answers to a form.

    Parameters
    ----------
    reviewer : str
        Who gave them; ``""`` if unnamed.
    items : dict of str to dict of str to str
        By item, the cells of its line; an item that was left out is missing.
    """

    reviewer: str
    items: dict[str, dict[str, str]]


def read_key(path: Path, form: str, version: int) -> dict[str, Any]:
    """Read the key of a form.

    Parameters
    ----------
    path : Path
        ``key.json``.
    form, version : str, int
        Format that it must have.

    Raises
    ------
    CytosaeError
        If it cannot be read or is something else.
    """
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != form:
        raise CytosaeError(f"{path} is not the key of a review.", "Name the key.json beside the form.")
    if record.get("version") != version:
        raise CytosaeError(
            f"{path} has format version {record.get('version')}, this program reads {version}.",
            "Install the version of cytosae-toolkit that wrote it.",
        )
    return record


def read_answers(path: Path, key: Path, record: Mapping[str, Any], verdicts: Sequence[str]) -> Answers:
    """Read the CSV that a form saved.

    Parameters
    ----------
    path, key : Path
        The answers; the key, for messages.
    record : mapping
        What the key holds.
    verdicts : sequence of str
        Verdicts that the form offers.

    Raises
    ------
    CytosaeError
        If it cannot be read, belongs to another form, or a line of it cannot be understood.
    """
    rows = read_rows(path, _COLUMNS, _REQUIRED)
    _check_form(rows, record, path, key)
    reviewers = [row.get("reviewer", "").strip() for _, row in rows]
    return Answers(next(filter(None, reviewers), ""), _items(rows, record["items"], path, verdicts))


def seconds_of(text: str) -> float:
    """Return the time that an answer took, NaN where it is not known."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _check_form(
    rows: Sequence[tuple[int, dict[str, str]]], record: Mapping[str, Any], answers: Path, key: Path
) -> None:
    for line, row in rows:
        if row["form"].strip() != record["form"]:
            raise CytosaeError(
                f"Line {line} of {answers} answers the form {row['form'].strip()!r}, but {key} belongs to "
                f"{record['form']!r}.",
                "Name the key that was written with the form.",
            )


def _items(
    rows: Sequence[tuple[int, dict[str, str]]], facts: Mapping[str, Any], path: Path, verdicts: Sequence[str]
) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line, row in rows:
        item, verdict = row["item"].strip(), row["verdict"].strip().lower()
        problem = None
        if item not in facts:
            problem = f"the form has no item {item!r}"
        elif item in found:
            problem = f"item {item!r} comes twice"
        elif verdict not in ("", *verdicts):
            problem = f"{verdict!r} is no verdict ({', '.join(verdicts)})"
        elif row.get("choice", "").strip() and not row["choice"].strip().isdecimal():
            problem = f"{row['choice']!r} is no number of a picture"
        if problem:
            raise CytosaeError(f"Line {line} of {path} cannot be understood: {problem}.", "Correct it, or save again.")
        found[item] = {name: value.strip() for name, value in row.items()} | {"verdict": verdict}
    return found
