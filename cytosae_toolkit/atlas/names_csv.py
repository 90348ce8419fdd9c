"""Annotations to and from CSV, safe for spreadsheets: a cell that they would run as a formula is quoted."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cytosae_toolkit.atlas.names_file import VERDICTS, Annotation
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import write_text

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.names import Annotations, Entry

COLUMNS = ("latent", "name", "note", "verdict", "author", "time")
REQUIRED = ("latent", "name")

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # starts with the one of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Parameters
    ----------
    path : Path
        The CSV.
    n_rows, n_added, n_changed, n_cleared, n_unchanged : int
        Rows of the file; those about latents of which nothing was said; those that said something else than before,
        or that somebody else says it; those that took an annotation away; those already there.
    """

    path: Path
    n_rows: int
    n_added: int
    n_changed: int
    n_cleared: int
    n_unchanged: int


def escape_cell(text: str) -> str:
    """Put ' before a cell that a spreadsheet would run (``= + - @``, tab, carriage return); `unescape_cell` undoes it.

    Cells that already look quoted so get another ', so that the round trip is exact.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_cell(text: str) -> str:
    """Take the ' away that `escape_cell` put before a cell."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def export_csv(annotations: Annotations, path: Path) -> int:
    """Write the current annotations: UTF-8, commas, columns ``latent, name, note, verdict, author, time``.

    Parameters
    ----------
    annotations : Annotations
        What to write.
    path : Path
        Where to.

    Returns
    -------
    int
        Number of rows.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    current = annotations.current().values()
    for annotation in current:
        texts = [escape_cell(getattr(annotation, column)) for column in COLUMNS[1:]]
        writer.writerow([annotation.latent, *texts])
    write_text(Path(path), out.getvalue())
    return len(current)


def import_csv(annotations: Annotations, path: Path, author: str | None = None) -> ImportReport:
    """Take annotations over from a CSV, all or none.

    Parameters
    ----------
    annotations : Annotations
        Where to add them, as one change.
    path : Path
        UTF-8, or UTF-16 with a byte order mark; commas, semicolons or tabs; the columns ``latent`` and ``name``, and
        where there are ``note``, ``verdict``, ``author``, ``time``. An absent column keeps what is there; a row with
        an empty name and no verdict clears the latent.
    author : str, optional
        Who said it, whatever the file says.

    Returns
    -------
    ImportReport
        Rows that say what is there already are not added again.

    Raises
    ------
    CytosaeError
        If the file cannot be read, lacks a column, or a row has an unknown latent, a wrong verdict or time; lines
        are named, and nothing is written.
    """
    rows = read_rows(Path(path), COLUMNS, REQUIRED)
    entries, problems = _entries(rows, annotations.d_sae, author)
    if problems:
        more = f" … and {len(problems) - _SHOWN_PROBLEMS} more." if len(problems) > _SHOWN_PROBLEMS else ""
        raise CytosaeError(
            f"{path} was not imported: {' '.join(problems[:_SHOWN_PROBLEMS])}{more}",
            "Correct the file; nothing was changed.",
        )
    annotations.reload_if_changed()
    current = annotations.current()
    new = {latent: entry for latent, entry in entries.items() if _differs(entry, current.get(latent))}
    added = annotations.add_entries(new) if new else []
    n_cleared = sum(annotation.empty for annotation in added)
    n_new = sum(annotation.latent not in current for annotation in added)
    n_changed = len(added) - n_cleared - n_new
    return ImportReport(Path(path), len(entries), n_new, n_changed, n_cleared, len(entries) - len(added))


def _differs(entry: Entry, before: Annotation | None) -> bool:
    if before is None:
        return bool(entry.name or entry.verdict)
    if not entry.name and not (before.verdict if entry.verdict is None else entry.verdict):
        return True
    return any(
        value is not None and value != getattr(before, column)
        for column in ("name", "note", "verdict", "author")
        for value in [getattr(entry, column)]
    )


def read_rows(path: Path, columns: Sequence[str], required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a CSV that a spreadsheet may have saved, quoting of formula-like cells undone.

    Parameters
    ----------
    path : Path
        UTF-8, or UTF-16 or UTF-32 with a byte order mark; commas, semicolons or tabs.
    columns, required : sequence of str
        Columns that are understood, and those that must be there; in lower case.

    Returns
    -------
    list of (int, dict of str to str)
        Line number and cells by column of each row that is not blank.

    Raises
    ------
    CytosaeError
        If the file cannot be read, is encoded otherwise, or lacks a column.
    """
    text = _decode(path)
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_columns(path, names, columns, required)
        rows, line = [], reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, dict(zip(names, map(unescape_cell, cells), strict=False))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise CytosaeError(f"{path} is no readable CSV: line {reader.line_num}: {error}.") from None
    return rows


def _decode(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CytosaeError(f"{path} cannot be read: {error.strerror}.") from None
    encoding = next((name for bom, name in _BOMS if content.startswith(bom)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CytosaeError(
            f"{path} is not {encoding.removesuffix('-sig').upper()} text: line {line} has a byte unknown to it.",
            "Save it as CSV UTF-8.",
        ) from None


def _check_columns(path: Path, names: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in names]
    if missing:
        raise CytosaeError(
            f"{path} lacks the column {' and '.join(missing)}; it has {', '.join(filter(None, names)) or 'none'}.",
            f"The first line must name the columns {', '.join(columns)}; {' and '.join(required)} are needed.",
        )
    repeated = [name for name in columns if names.count(name) > 1]
    if repeated:
        raise CytosaeError(f"{path} has the column {repeated[0]} more than once.", "Keep one of them.")


def _entries(
    rows: Sequence[tuple[int, dict[str, str]]], d_sae: int, author: str | None
) -> tuple[dict[int, Entry], list[str]]:
    from cytosae_toolkit.atlas.names import Entry
    from cytosae_toolkit.atlas.names_text import clean, one_line

    entries: dict[int, Entry] = {}
    lines: dict[int, int] = {}
    problems = []
    for line, row in rows:
        try:
            latent = _latent(row.get("latent", ""), d_sae)
            if latent in lines:
                raise ValueError(f"latent {latent} comes twice, first on line {lines[latent]}")
            lines[latent] = line
            entry = Entry(
                name=one_line(row.get("name", "")),
                note=clean(row["note"]) if "note" in row else None,
                verdict=_verdict(row["verdict"]) if "verdict" in row else None,
                author=author or one_line(row.get("author", "")) or None,
                time=_time(row.get("time", "")),
            )
            if entry.note and not entry.name and entry.verdict == "":
                raise ValueError("a note needs a name or a verdict beside it")
            entries[latent] = entry
        except ValueError as error:
            problems.append(f"Line {line}: {error}.")
    return entries, problems


def _latent(text: str, d_sae: int) -> int:
    digits = re.fullmatch(r"#?([0-9]{1,18})(\.0*)?", text.strip())
    if digits is None:
        raise ValueError(f"{text!r} is no latent")
    latent = int(digits[1])
    if latent >= d_sae:
        raise ValueError(f"there is no latent {latent} (0 to {d_sae - 1})")
    return latent


def _verdict(text: str) -> str:
    verdict = text.strip().lower()
    if verdict not in ("", *VERDICTS):
        raise ValueError(f"{text!r} is no verdict ({', '.join(VERDICTS)})")
    return verdict


def _time(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        time = datetime.fromisoformat(text.strip())
        return (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)).isoformat()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time of the form 2026-01-31T12:00:00+00:00") from None
