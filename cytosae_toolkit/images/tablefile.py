"""Read the text of an image table: CSV, TSV or Parquet, with its columns renamed and its cells validated."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.images.decode import Box

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
"""File name endings that are read as tables, in lower case."""

TEXT_COLUMNS = ("path", "id", "mask", "label", "patient", "disease", "dataset", "group")
BOX_COLUMNS = ("x0", "y0", "x1", "y1")
COLUMNS = ("path", "id", "mask", *BOX_COLUMNS, "label", "patient", "disease", "dataset", "group")
"""The columns that have a meaning; others are kept as they are."""


def read_table(file: Path, columns_map: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read a table of images and validate everything that does not need the images.

    Parameters
    ----------
    file : Path
        An existing table.
    columns_map : mapping of str to str, optional
        Our column name to the column of the file: ``{"path": "file"}``.

    Returns
    -------
    DataFrame
        `path` and the other text columns as str (missing = None), the box columns as ``Int64``.

    Raises
    ------
    CytosaeError
        The file is not a table, has no `path`, no rows, or a cell that cannot be used; names the row.
    """
    frame = _read_parquet(file) if file.suffix.lower() in (".parquet", ".pq") else _read_text(file)
    frame = _renamed(frame, columns_map or {}, file)
    if "path" not in frame.columns:
        raise CytosaeError(
            f"The table {file} has no column `path`; its columns are {', '.join(map(str, frame.columns))}.",
            "Name the column of image files with --map path=COLUMN.",
        )
    if frame.empty:
        raise CytosaeError(f"The table {file} has no rows.", "Add one row per image.")
    for column in (name for name in TEXT_COLUMNS if name in frame.columns):
        frame[column] = _text(cells(frame, column))
    empty = [row for row, path in enumerate(cells(frame, "path")) if path is None]
    if empty:
        raise CytosaeError(f"The table {file} has an empty `path` in {rows_phrase(empty)}.", "Fill or remove it.")
    return _with_boxes(frame, file)


def cells(frame: pd.DataFrame, column: str) -> list[Any]:
    """Return a column as a list of Python values."""
    values: list[Any] = frame[column].tolist()
    return values


def row_boxes(frame: pd.DataFrame) -> list[Box | None]:
    """Return the box of every row, None for the whole image."""
    if "x0" not in frame.columns:
        return [None] * len(frame)
    edges = zip(*(cells(frame, name) for name in BOX_COLUMNS), strict=True)
    return [None if pd.isna(x0) else (int(x0), int(y0), int(x1), int(y1)) for x0, y0, x1, y1 in edges]


def rows_phrase(rows: list[int]) -> str:
    """Name data rows as a reader counts them: the first row below the header is 1."""
    shown = ", ".join(str(row + 1) for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"data row{'s' if len(rows) > 1 else ''} {shown}{more}"


def _read_parquet(file: Path) -> pd.DataFrame:
    import pyarrow

    try:
        return pd.read_parquet(file).reset_index(drop=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CytosaeError(f"{file} is not a readable Parquet table: {error}.") from error


def _read_text(file: Path) -> pd.DataFrame:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            header = stream.readline()
        if "\0" in header:
            raise CytosaeError(f"{file} is not a text table.", "Save it as UTF-8 CSV.")
        frame = pd.read_csv(
            file,
            sep=_delimiter(header),
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            index_col=False,
            on_bad_lines="error",
        )
    except UnicodeDecodeError as error:
        raise CytosaeError(f"The table {file} is not UTF-8 text.", "Save it as UTF-8 CSV.") from error
    except pd.errors.EmptyDataError:
        raise CytosaeError(f"The table {file} is empty.", "Write a header with `path` and one row per image.") from None
    except pd.errors.ParserError as error:
        raise CytosaeError(f"The table {file} is damaged: {str(error).strip()}.") from error
    except OSError as error:
        raise CytosaeError(f"The table {file} cannot be read: {error.strerror}.") from error
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    return frame


def _delimiter(header: str) -> str:
    """Return the delimiter that splits the header into most columns; a comma if none does."""
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _renamed(frame: pd.DataFrame, columns_map: Mapping[str, str], file: Path) -> pd.DataFrame:
    present = [str(name) for name in frame.columns]
    for ours, theirs in columns_map.items():
        if ours not in COLUMNS:
            raise CytosaeError(f"--map names the unknown column `{ours}`.", nearest(ours, COLUMNS))
        if theirs not in present:
            raise CytosaeError(f"The table {file} has no column `{theirs}`.", nearest(theirs, present))
    sources = set(columns_map.values())
    hidden = [ours for ours in columns_map if ours in present and ours not in sources]
    return frame.drop(columns=hidden).rename(columns={theirs: ours for ours, theirs in columns_map.items()})


def _text(values: list[Any]) -> pd.Series[Any]:
    """Return cells as stripped str, missing or empty ones as None, whole floats (7.0) as integers (7)."""
    return pd.Series([_text_cell(cell) for cell in values], dtype=object)


def _text_cell(cell: object) -> str | None:
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell):
        return None
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip() or None


def _with_boxes(frame: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Parse the four box columns to ``Int64``; a row has all four or none."""
    present = [name for name in BOX_COLUMNS if name in frame.columns]
    if not present:
        return frame
    if len(present) < 4:
        raise CytosaeError(
            f"The table {file} has the box columns {', '.join(present)} only.",
            "Give all of x0, y0, x1, y1 or none.",
        )
    for name in BOX_COLUMNS:
        frame[name] = _whole_numbers(cells(frame, name), name, file)
    given = frame[list(BOX_COLUMNS)].notna().sum(axis=1)
    partial = [row for row, count in enumerate(given) if 0 < count < 4]
    if partial:
        raise CytosaeError(
            f"The table {file} has an incomplete box in {rows_phrase(partial)}.",
            "Give all of x0, y0, x1, y1 or none.",
        )
    return frame


def _whole_numbers(values: list[Any], name: str, file: Path) -> pd.Series[Any]:
    numbers: list[int | None] = []
    for row, cell in enumerate(values):
        text = _text_cell(cell)
        try:
            number = None if text is None else float(text)
            if number is not None and (not number.is_integer() or abs(number) > 2**31):
                raise ValueError
        except (ValueError, OverflowError):
            raise CytosaeError(
                f"The table {file} has {name} = {text!r} in {rows_phrase([row])}.", "Boxes are whole pixels."
            ) from None
        numbers.append(None if number is None else int(number))
    return pd.Series(numbers, dtype="Int64")
