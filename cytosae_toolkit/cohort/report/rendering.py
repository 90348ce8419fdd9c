"""A report as one HTML file: everything in it, nothing loaded, no script."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from cytosae_toolkit.cohort.report.document import (
    Block,
    Bullets,
    CellPicture,
    CellRow,
    Facts,
    LatentCard,
    Name,
    Note,
    Paragraph,
    Part,
    Picture,
    Report,
    Section,
    Table,
    Text,
    Value,
    plain,
)
from cytosae_toolkit.cohort.report.sources import Source

PACKAGE = "cytosae_toolkit.cohort.report"
SHORT = 12
"""Digits of a fingerprint that are shown below a section; the last section gives it whole."""


class Renderer:
    """Writes a report, and numbers the files and commands that its numbers come from.

    Attributes
    ----------
    files : list of Source
        In the order of their first use.
    """

    def __init__(self) -> None:
        self.files: list[Source] = []

    def page(self, report: Report, also: Sequence[Source] = ()) -> str:
        """Return the page; `also` are files that its own files were made from."""
        body = "\n".join(self._section(section) for section in report.sections)
        for source in also:
            self._number(source)
        stamp = '<p class="stamp demo">Demonstration: the cells are generated, or the patients simulated.</p>'
        parts = {
            "__STYLE__": _packed("report.css"),
            "__TITLE__": escape(plain(report.title)),
            "__HEADING__": self._text(report.title),
            "__SUBTITLE__": self._text(report.subtitle),
            "__STAMP__": stamp if report.demonstration else "",
            "__BODY__": body + self._reproduce(),
        }
        page = _packed("template.html")
        return re.sub("|".join(parts), lambda found: parts[found[0]], page)

    def _section(self, section: Section) -> str:
        used: list[Source] = list(section.sources)
        blocks = "\n".join(self._block(block, used) for block in section.blocks)
        return f"<section><h2>{self._text(section.title)}</h2>\n{blocks}\n{self._below(used)}</section>"

    def _below(self, used: Sequence[Source]) -> str:
        if not used:
            return ""
        numbers = [(self._number(source), source) for source in dict.fromkeys(used)]
        items = ", ".join(
            f'<a href="#file-{n}"><code>[{n}] {escape(source.shown)}</code></a> '
            f'<code class="print">{escape(_short(source.fingerprint))}</code>'
            for n, source in sorted(numbers, key=lambda pair: pair[0])
        )
        return f'<p class="source">Numbers from {items}. Commands: last section.</p>'

    def _number(self, source: Source) -> int:
        if source not in self.files:
            self.files.append(source)
        return self.files.index(source) + 1

    def _text(self, text: Text, used: list[Source] | None = None) -> str:
        return "".join(self._part(part, used) for part in text)

    def _part(self, part: Part, used: list[Source] | None) -> str:
        if isinstance(part, str):
            return escape(part)
        if isinstance(part, Name):
            if part.code:
                return f"<code>{escape(part.text)}</code>"
            return f'<b class="name">{escape(part.text).replace("_", "_<wbr>")}</b>'
        if isinstance(part, Note):
            return f'<span class="note">{escape(part.text)}</span>'
        return self._value(part, used)

    def _value(self, value: Value, used: list[Source] | None) -> str:
        if used is not None:
            used.append(value.source)
        n = self._number(value.source)
        place = f'data-file="{n}" data-at="{escape(value.at)}" title="[{n}] {escape(value.at)}"'
        return f"<span {place}>{escape(value.text)}</span>"

    def _block(self, block: Block, used: list[Source]) -> str:
        writers: dict[type, Callable[[Any, list[Source]], str]] = {
            Paragraph: self._paragraph, Bullets: self._bullets, Table: self._table, Facts: self._facts,
            Picture: self._picture, LatentCard: self._card,
        }  # fmt: skip
        return writers[type(block)](block, used)

    def _paragraph(self, block: Paragraph, used: list[Source]) -> str:
        kind = f' class="{block.kind}"' if block.kind else ""
        return f"<p{kind}>{self._text(block.text, used)}</p>"

    def _bullets(self, block: Bullets, used: list[Source]) -> str:
        return "<ul>" + "".join(f"<li>{self._text(item, used)}</li>" for item in block.items) + "</ul>"

    def _facts(self, block: Facts, used: list[Source]) -> str:
        items = "".join(f"<dt>{escape(term)}</dt><dd>{self._text(text, used)}</dd>" for term, text in block.items)
        return f"<dl>{items}</dl>"

    def _table(self, block: Table, used: list[Source]) -> str:
        def row(cells: Sequence[str], tag: str) -> str:
            classes = ["" if i < block.text_columns else ' class="n"' for i in range(len(cells))]
            return "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(classes, cells, strict=True))

        head = row([f'<span class="note">{escape(text)}</span>' for text in block.headers], "th")
        lines = "".join(f"<tr>{row([self._text(cell, used) for cell in cells], 'td')}</tr>" for cells in block.rows)
        caption = f"<h4>{escape(block.caption)}</h4>" if block.caption else ""
        return (
            f'{caption}<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
        )  # fmt: skip

    def _picture(self, block: Picture, used: list[Source]) -> str:
        caption = f"<figcaption>{self._text(block.caption, used)}</figcaption>" if block.caption else ""
        image = f'<div class="wide"><img src="{block.uri}" alt="{escape(block.alt)}"></div>'
        kind = "plot square" if block.square else "plot"
        return f'<figure class="{kind}">{image}{caption}</figure>'

    def _card(self, block: LatentCard, used: list[Source]) -> str:
        flags = "".join(f'<span class="flag">{escape(flag)}</span>' for flag in block.flags)
        plot = "" if block.plot is None else self._picture(block.plot, used)
        rows = "".join(self._cell_row(row, used) for row in block.cells)
        return (
            f'<article><h3>{self._text(block.title, used)} {flags}</h3><div class="beside">'
            f'<p>{self._text(block.text, used)}</p>{plot}</div><div class="rows">{rows}</div></article>'
        )

    def _cell_row(self, row: CellRow, used: list[Source]) -> str:
        cells = "".join(self._cell(cell, used) for cell in row.cells)
        inside = f'<div class="cells">{cells}</div>' if row.cells else f'<p class="help">{escape(row.empty)}</p>'
        return f"<div><h4>{self._text(row.title)}</h4>{inside}</div>"

    def _cell(self, cell: CellPicture, used: list[Source]) -> str:
        lines = "".join(f"<span>{self._text(line, used)}</span>" for line in cell.caption)
        return (
            f'<figure class="cell"><img src="{cell.plain}" alt="Cell"><img src="{cell.lit}" '
            f'alt="The same cell in grey, active patches in orange"><figcaption>{lines}</figcaption></figure>'
        )

    def _reproduce(self) -> str:
        """Return the last section: the files, their fingerprints, and the commands that made them."""
        commands = list(dict.fromkeys(source.command for source in self.files if source.command))
        rows = "".join(
            f'<tr id="file-{n}" data-path="{escape(source.shown)}"><td><code>[{n}]</code></td>'
            f"<td><code>{escape(source.shown)}</code><br>{escape(source.what)}</td>"
            f"<td><code>{escape(source.fingerprint)}</code></td><td><code>{_letter(commands, source)}</code></td></tr>"
            for n, source in enumerate(self.files, start=1)
        )
        listed = "".join(
            f"<dt><code>{_letter(commands, source)}</code></dt><dd><code>{escape(source.command)}</code></dd>"
            for source in {source.command: source for source in self.files if source.command}.values()
        )
        return (
            "<section><h2>How to reproduce</h2><p>Every number above stands in one of these files, made by the command "
            "of its letter. Point at a number to see where it stands. Whoever holds the files can run the commands "
            "again and compare the fingerprints.</p>"
            '<div class="wide"><table class="files"><thead><tr><th>File</th><th>Path, and what it is</th>'
            f"<th>Fingerprint</th><th>Made by</th></tr></thead><tbody>{rows}</tbody></table></div>"
            f'<dl class="commands">{listed}</dl></section>'
        )


def render(report: Report, also: Sequence[Source] = ()) -> str:
    """Return a report as HTML; `also` are files that its own files were made from, listed after them."""
    return Renderer().page(report, also)


def _letter(commands: list[str], source: Source) -> str:
    if not source.command:
        return "not recorded"
    place = commands.index(source.command)
    return chr(ord("A") + place) if place < 26 else f"Z{place}"


def _short(fingerprint: str) -> str:
    kind, _, digits = fingerprint.partition(",")[0].rpartition(" ")
    return f"{kind} {digits[:SHORT]}".strip()


def _packed(name: str) -> str:
    return files(PACKAGE).joinpath(name).read_text(encoding="utf-8")
