"""Files that numbers come from: their place, fingerprint and command, and values read from them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cytosae_toolkit.atlas.names_csv import escape_cell, unescape_cell
from cytosae_toolkit.cohort.report.document import Value
from cytosae_toolkit.cohort.report.formats import Format, number
from cytosae_toolkit.errors import CytosaeError


@dataclass(frozen=True)
class Source:
    """A file or folder that numbers come from.

    Parameters
    ----------
    shown : str
        Its path: relative to the report if it lies beside it, else absolute.
    fingerprint : str
        Of its content: ``sha256 …`` of a file, or what the artefact says of itself.
    command : str
        Made it.
    what : str
        What it is, a few words.
    """

    shown: str
    fingerprint: str
    command: str
    what: str


def shown_path(path: Path, report: Path) -> str:
    """Return how a report names a file: relative if it lies beside the report or below, else absolute."""
    path, folder = path.resolve(), report.resolve().parent
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_source(path: Path, report: Path, command: str, what: str) -> Source:
    """Return a file as a source, by its SHA-256."""
    return Source(shown_path(path, report), f"sha256 {sha256(path)}", command, what)


@dataclass(frozen=True)
class Sheet:
    """A CSV, read.

    Parameters
    ----------
    source : Source
        The file.
    frame : pandas.DataFrame
        Its rows in the order of the file, index 0, 1, …; text is unescaped.
    """

    source: Source
    frame: pd.DataFrame

    def value(self, row: int, column: str, form: Format = number) -> Value:
        """Return a cell as it is shown."""
        return Value(form(self.raw(row, column)), self.source, f"{row}/{pointer(column)}")

    def raw(self, row: int, column: str) -> Any:
        """Return a cell as it stands in the file, None where there is nothing."""
        return plain_value(self.frame.at[row, column])

    def line(self, row: int) -> dict[str, Any]:
        """Return a row by columns, None where there is nothing."""
        return {str(column): self.raw(row, str(column)) for column in self.frame.columns}

    def rows(self, **wanted: Any) -> list[int]:
        """Return the numbers of the rows with certain values of columns, as text."""
        found = np.ones(len(self.frame), dtype=bool)
        for column, value in wanted.items():
            found &= (self.frame[column].astype(str) == str(value)).to_numpy()
        return [int(row) for row in np.flatnonzero(found)]


@dataclass(frozen=True)
class Record:
    """A JSON file, read."""

    source: Source
    document: dict[str, Any]

    def value(self, *keys: str | int, form: Format = number) -> Value:
        """Return an entry as it is shown."""
        found: Any = self.document
        for key in keys:
            found = found[key]
        return Value(form(found), self.source, "/".join(pointer(str(key)) for key in keys))


def pointer(key: str) -> str:
    """Return a key as a JSON pointer has it (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def unpointer(text: str) -> list[str]:
    """Return the keys of a JSON pointer without its first slash."""
    return [key.replace("~1", "/").replace("~0", "~") for key in text.split("/")]


def plain_value(value: Any) -> Any:
    """Return NumPy's scalars as Python's, and missing values as None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value


def read_sheet(path: Path, source: Source) -> Sheet:
    """Read a CSV, as the toolkit writes them."""
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=_text_types(path))
    except (OSError, ValueError) as error:
        raise CytosaeError(f"{path} is no readable table: {' '.join(str(error).split())}.", "Make it again.") from error
    return Sheet(source, unescaped(frame))


TEXT_COLUMNS = frozenset(
    ("patient", "latent", "name", "id", "image", "label", "set", "disease", "group", "higher_in", "predicted",
     "against", "truth", "class", "key", "fact", "features", "dominant_label", "cell_class")
)  # fmt: skip
"""Columns that are read as text although they may look like numbers."""


def _text_types(path: Path) -> dict[str, type]:
    with path.open(encoding="utf-8", newline="") as handle:
        header = next(csv.reader(handle), [])
    return {name: str for name in header if name in TEXT_COLUMNS}


def unescaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text is as it was before it was made safe for spreadsheets."""
    made = frame.copy(deep=False)
    for name in made.columns:
        if made[name].dtype.kind not in "biuf":
            values = made[name].astype(object)
            made[name] = [unescape_cell(value) if isinstance(value, str) else value for value in values]
    return made


class TableFolder:
    """The tables that a report writes beside itself, so that its numbers stand in files.

    Parameters
    ----------
    folder : Path
        Being written; `final` is where it will lie.
    final : Path
        See above.
    report : Path
        The report.
    command : str
        That makes the report, and so these tables.
    """

    def __init__(self, folder: Path, final: Path, report: Path, command: str) -> None:
        self.folder, self.final, self.report, self.command = folder, final, report, command
        self._facts: list[tuple[str, Any, str]] = []

    def write(self, name: str, table: pd.DataFrame, what: str) -> Sheet:
        """Write a table and return it as it can be read back."""
        path = self.folder / f"{name}.csv"
        safe = table.reset_index(drop=True).copy()
        for column in safe.columns:
            if safe[column].dtype.kind not in "biuf":
                values = safe[column].astype(object)
                safe[column] = [escape_cell(value) if isinstance(value, str) else value for value in values]
        safe.to_csv(path, index=False, float_format="%.10g")
        source = Source(
            shown_path(self.final / path.name, self.report), f"sha256 {sha256(path)}", self.command, what
        )  # fmt: skip
        return read_sheet(path, source)

    def facts(self, facts: Iterable[tuple[str, Any, str]]) -> FactSheet:
        """Write single facts, each with its name, its value, and where it comes from."""
        table = pd.DataFrame(list(facts), columns=["fact", "value", "from"])
        table["value"] = table["value"].astype(object)
        return FactSheet(self.write("facts", table, "single numbers of the text, each with where it comes from"))


@dataclass(frozen=True)
class FactSheet:
    """Single facts, by name."""

    sheet: Sheet

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(name): row for row, name in enumerate(self.sheet.frame["fact"])}

    def __contains__(self, name: str) -> bool:
        """Return whether a fact is known."""
        return name in self._rows

    def raw(self, name: str) -> Any:
        """Return the value of a fact as it stands in the file."""
        return self.sheet.raw(self._rows[name], "value")

    def value(self, name: str, form: Format = number) -> Value:
        """Return a fact as it is shown."""
        return Value(form(self.raw(name)), self.sheet.source, f"{self._rows[name]}/value")


def read_json_record(path: Path, source: Source) -> Record:
    """Read a JSON file as a source."""
    try:
        return Record(source, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CytosaeError(f"{path} is not readable JSON: {error}.", "Make it again.") from error
