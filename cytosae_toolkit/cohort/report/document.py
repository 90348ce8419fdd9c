"""What a report consists of: sections of words, tables and pictures, whose numbers name where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.report.sources import Source


@dataclass(frozen=True)
class Value:
    """A number or a word that stands in a file.

    Parameters
    ----------
    text : str
        As the reader sees it.
    source : Source
        The file.
    at : str
        Where in it: ``ROW/COLUMN`` of a CSV, rows from 0; a JSON pointer without its first slash in JSON.
    """

    text: str
    source: Source
    at: str


@dataclass(frozen=True)
class Name:
    """A name or an identifier, which may hold digits: a patient, a latent, a version, a fingerprint."""

    text: str
    code: bool = False


@dataclass(frozen=True)
class Note:
    """Words that explain a method and may hold its constants, such as the width of an interval."""

    text: str


Part = str | Value | Name | Note
Text = Sequence[Part]
"""Words; a digit in them stands in a `Value`, a `Name` or a `Note`."""


@dataclass(frozen=True)
class Paragraph:
    """Words.

    Parameters
    ----------
    text : Text
        What is said.
    kind : str
        ``""``, ``"lead"`` (the summary), ``"help"`` (an explanation), ``"warning"``.
    """

    text: Text
    kind: str = ""


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: Sequence[Text]


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    headers : sequence of str
        One per column.
    rows : sequence of sequence of Text
        Cells.
    text_columns : int
        How many columns on the left hold words; the others are set as numbers.
    caption : str
        Above it.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Text]]
    text_columns: int = 1
    caption: str = ""


@dataclass(frozen=True)
class Facts:
    """Pairs of a term and what is said of it."""

    items: Sequence[tuple[str, Text]]


@dataclass(frozen=True)
class Picture:
    """A figure.

    Parameters
    ----------
    uri : str
        Data URI.
    alt : str
        What it shows, for those who cannot see it.
    caption : Text
        Below it.
    square : bool
        Whether it is as high as wide, and so not shown over the whole width.
    """

    uri: str
    alt: str
    caption: Text = ()
    square: bool = False


@dataclass(frozen=True)
class CellPicture:
    """A cell, and below it where a latent lights up.

    Parameters
    ----------
    plain, lit : str
        Data URIs.
    caption : sequence of Text
        Lines.
    """

    plain: str
    lit: str
    caption: Sequence[Text]


@dataclass(frozen=True)
class CellRow:
    """Some cells under one heading; `empty` is said where there are none."""

    title: Text
    cells: Sequence[CellPicture]
    empty: str = "None."


@dataclass(frozen=True)
class LatentCard:
    """One latent: what it is, the values of patients, cells.

    Parameters
    ----------
    title : Text
        Such as ``latent 417 · mostly on blasts``.
    flags : sequence of str
        Reasons for doubt, a few words each.
    text : Text
        How much of it there is, and where.
    plot : Picture or None
        The patients' values.
    cells : sequence of CellRow
        One or two rows.
    """

    title: Text
    flags: Sequence[str]
    text: Text
    plot: Picture | None
    cells: Sequence[CellRow]


Block = Paragraph | Bullets | Table | Facts | Picture | LatentCard


@dataclass(frozen=True)
class Section:
    """A section and the files of its numbers, which are named below it."""

    title: Text
    blocks: Sequence[Block]
    sources: Sequence[Source] = ()


@dataclass(frozen=True)
class Report:
    """A report.

    Parameters
    ----------
    title : Text
        Of the page.
    subtitle : Text
        Below it.
    demonstration : bool
        Whether cells are generated or patients simulated.
    sections : list of Section
        In order.
    """

    title: Text
    subtitle: Text
    demonstration: bool
    sections: list[Section] = field(default_factory=list)


def plain(text: Text) -> str:
    """Return words without their sources."""
    return "".join(part if isinstance(part, str) else part.text for part in text)
