"""Whether every number of a report stands in the file that it names."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from cytosae_toolkit.cohort.report.formats import agrees
from cytosae_toolkit.cohort.report.sources import Source, plain_value, read_sheet, sha256, unpointer
from cytosae_toolkit.errors import CytosaeError

_NAMES = ("code", "title", "style")
_CLASSES = ("name", "note")
_VOID = ("meta", "img", "br", "wbr")


@dataclass
class Traced:
    """What a page shows.

    Parameters
    ----------
    values : list of (str, str, str)
        File number, place in it, text shown.
    files : dict of str to (str, str)
        Path and fingerprint by number.
    loose : list of str
        Texts with digits that name no file.
    """

    values: list[tuple[str, str, str]] = field(default_factory=list)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found = Traced()
        self._open: list[tuple[str, dict[str, str]]] = []
        self._row = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        given = {name: value or "" for name, value in attrs}
        self._open.append((tag, given))
        if "data-at" in given:
            self.found.values.append((given["data-file"], given["data-at"], ""))
        if "data-path" in given:
            self._row = given["id"].removeprefix("file-")
            self.found.files[self._row] = (given["data-path"], "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if any("data-at" in given for _, given in self._open):
            file, at, text = self.found.values[-1]
            self.found.values[-1] = (file, at, text + data)
        elif self._is_name():
            if any("data-path" in given for _, given in self._open) and "sha256 " in data:
                self.found.files[self._row] = (self.found.files[self._row][0], data.rpartition("sha256 ")[2])
        elif any(letter.isdigit() for letter in data):
            self.found.loose.append(data.strip())

    def _is_name(self) -> bool:
        return any(tag in _NAMES or given.get("class") in _CLASSES for tag, given in self._open)


def read_report(page: str) -> Traced:
    """Return the numbers that a report shows, and the files that it names."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.found


def check_report(path: str | Path) -> list[str]:
    """Compare every number of a report with the file that it names.

    Parameters
    ----------
    path : str or Path
        The report; the files that it names must be where it says.

    Returns
    -------
    list of str
        What does not agree, as sentences; empty if all does.

    Raises
    ------
    CytosaeError
        If there is no such file, or it is no report.
    """
    path = Path(path)
    if not path.is_file():
        raise CytosaeError(f"{path} does not exist.")
    found = read_report(path.read_text(encoding="utf-8", errors="replace"))
    if not found.files:
        raise CytosaeError(f"{path} is not a report of cytosae-toolkit.", "Name a page made by `report`.")
    problems = [f"{text!r} names no file." for text in found.loose]
    opened: dict[str, Any] = {}
    for number, (name, digest) in found.files.items():
        file = path.parent / name
        if not file.is_file():
            problems.append(f"{name} is not there.")
            continue
        if sha256(file) != digest:
            problems.append(f"{name} is not the file that the report was made from: its SHA-256 differs.")
        opened[number] = _open(file)
    for number, at, text in found.values:
        if number in opened and not _agrees(opened[number], at, text):
            problems.append(f"{text!r} is not what stands at {at} in {found.files[number][0]}.")
    return problems


def _open(file: Path) -> Any:
    if file.suffix == ".json":
        return json.loads(file.read_text(encoding="utf-8"))
    return read_sheet(file, Source("", "", "", "")).frame if file.suffix == ".csv" else None


def _agrees(opened: Any, at: str, text: str) -> bool:
    keys = unpointer(at)
    try:
        if isinstance(opened, dict):
            value: Any = opened
            for key in keys:
                value = value[int(key)] if isinstance(value, list) else value[key]
        else:
            value = plain_value(opened.at[int(keys[0]), keys[1]])
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return False
    return agrees(text, value)
