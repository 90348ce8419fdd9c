"""The report about two groups of patients, read from the folder of their comparison."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.cohort.patients import text_column
from cytosae_toolkit.cohort.report.analysed import GENERAL_CAVEATS, WORDS, analysed, common_facts, flag_words
from cytosae_toolkit.cohort.report.cards import CELLS, PICTURES_HELP, cell_row, cell_table, strongest_of, title_of
from cytosae_toolkit.cohort.report.document import (
    Block,
    Bullets,
    Facts,
    LatentCard,
    Name,
    Paragraph,
    Part,
    Picture,
    Report,
    Section,
    Table,
    Text,
    Value,
)
from cytosae_toolkit.cohort.report.formats import count, p_value, percent, signed
from cytosae_toolkit.cohort.report.inputs import ResultFolder, open_result
from cytosae_toolkit.cohort.report.pictures import CellPictures, Shown, png_uri, strongest_cells, svg_uri
from cytosae_toolkit.cohort.report.plots import PlotRow, dot_plot
from cytosae_toolkit.cohort.report.sources import file_source
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.report.inputs import Inputs
    from cytosae_toolkit.cohort.report.sources import FactSheet, TableFolder

IN_TABLE, IN_DETAIL = 20, 8
"""Latents each way in the table, and with cells."""


def group_report(inputs: Inputs, a: str, b: str, tables: TableFolder, *, progress: Progress = SILENT) -> Report:
    """Return the report about two groups, and write the tables of its numbers.

    Parameters
    ----------
    inputs : Inputs
        Barcodes and atlas.
    a, b : str
        The groups, see `cytosae_toolkit.cohort.groups.choose_groups`.
    tables : TableFolder
        Where the tables go.
    progress : Progress
        Whom to tell.

    Raises
    ------
    CytosaeError
        If there are no such groups, or the comparison is about others or other barcodes.
    """
    path = inputs.request.comparison or _compare(inputs, a, b, progress)
    folder = open_result(path, "comparison", inputs)
    _check_groups(folder, a, b, inputs.request.column)
    return _Maker(inputs, folder, tables, progress).report()


def _compare(inputs: Inputs, a: str, b: str, progress: Progress) -> Path:
    """Run the comparison as `compare` would, and write its folder beside the report."""
    from cytosae_toolkit.cohort.comparing import CompareOptions, compare
    from cytosae_toolkit.cohort.comparison_references import comparison_references
    from cytosae_toolkit.cohort.comparison_writing import check_comparison_folder, write_comparison

    request, out = inputs.request, inputs.request.beside("-comparison")
    check_comparison_folder(out, force=request.force)
    words = ["cytosae-toolkit", "compare", str(inputs.path), a, b, "--atlas", str(inputs.atlas.path), "--out", str(out)]
    command = shlex.join(words if request.column == "disease" else [*words, "--column", request.column])
    options = CompareOptions(column=request.column)
    found = compare(inputs.cohort, a, b, options, command=command, progress=progress)
    references = comparison_references(found, inputs.atlas, progress=progress)
    write_comparison(found, out, atlas=inputs.atlas, references=references, force=request.force)
    return out


def _check_groups(folder: ResultFolder, a: str, b: str, column: str) -> None:
    document = folder.record.document
    theirs = tuple(document["groups"][key]["name"] for key in "ab")
    if theirs != (a, b):
        raise CytosaeError(
            f"The comparison {folder.path} is of {theirs[0]} and {theirs[1]}, not of {a} and {b}.",
            f"Write --groups {shlex.join(theirs)}, or name another comparison.",
        )
    if document["options"]["column"] != column:
        raise CytosaeError(
            f"The comparison {folder.path} is of the column {document['options']['column']!r}, not {column!r}.",
            "Give the same --column.",
        )


@dataclass(frozen=True)
class _Latent:
    """A latent of the top list: its row there, its cells with their rows among the references, and cells of others."""

    row: int
    cells: list[Shown]
    lines: list[int]
    contrast: list[Shown]


class _Maker:
    def __init__(self, inputs: Inputs, folder: ResultFolder, tables: TableFolder, progress: Progress) -> None:
        self.inputs, self.folder, self.record = inputs, folder, folder.record
        self.top = folder.sheet("top.csv", "latents with the largest difference each way")
        self.references = (
            folder.sheet("references.csv", "their reference cells") if folder.has("references.csv") else None
        )
        self.facts: FactSheet = tables.facts(common_facts(inputs))
        self.names = [str(self.record.document["groups"][key]["name"]) for key in "ab"]
        self.latents = {name: self._latents(name) for name in self.names}
        self.values = tables.write("values", self._values(), "values of all patients in the latents with cells")
        latents = [latent for found in self.latents.values() for latent in found]
        shown = [cell for latent in latents for cell in (*latent.cells, *latent.contrast)]
        self.pictures = CellPictures(inputs.atlas, shown, progress)
        contrast = [cell for latent in latents for cell in latent.contrast]
        table = cell_table(contrast, ["other group"] * len(contrast), self.pictures, inputs.request.column)
        self.contrast = tables.write("cells", table, "cells of the respective other group")

    def _latents(self, group: str) -> list[_Latent]:
        rows = self.top.rows(higher_in=group)[:IN_DETAIL]
        places = {str(name): row for row, name in enumerate(self.inputs.atlas.images["id"])}
        owners, other = text_column(self.inputs.atlas.images, "patient"), "b" if group == self.names[0] else "a"
        only = np.isin(owners.astype(str), self.record.document["groups"][other]["patients"])
        return [self._latent(row, group, places, only) for row in rows]

    def _latent(self, row: int, group: str, places: dict[str, int], only: NDArray[np.bool_]) -> _Latent:
        cells, lines = self._cells(row, group, places)
        if not cells:
            return _Latent(row, cells, lines, [])
        latents, key = cells[0].latents, cells[0].key
        found = strongest_cells(self.inputs.atlas, latents, CELLS, only=only)
        return _Latent(row, cells, lines, [Shown(key, latents, at, value) for at, value in found])

    def _cells(self, row: int, group: str, places: dict[str, int]) -> tuple[list[Shown], list[int]]:
        if self.references is None:
            return [], []
        rank = self.top.frame.at[row, "rank"]
        cells, lines = [], []
        for line in self.references.rows(higher_in=group, rank=rank)[:CELLS]:
            facts = self.references.frame.iloc[line]
            if str(facts["id"]) in places:
                latents = tuple(int(s) for s in str(facts["latent"]).split("+"))
                cells.append(Shown(self._key(row), latents, places[str(facts["id"])], float(facts["m_i"])))
                lines.append(line)
        return cells, lines

    def _key(self, row: int) -> str:
        return str(self.top.frame.at[row, "latent" if "latent" in self.top.frame else "name"])

    def _values(self) -> Any:
        """Return the values of the patients of both groups, a column per latent."""
        import pandas as pd

        cohort = self.inputs.cohort
        rows = {name: self._patients(key) for name, key in zip(self.names, "ab", strict=True)}
        keys = {str(key): column for column, key in enumerate(cohort.latents["key"])}
        wanted = [self._key(latent.row) for found in self.latents.values() for latent in found]
        chosen = np.concatenate(list(rows.values()))
        table = pd.DataFrame({
            "patient": cohort.patients[chosen],
            "group": [name for name, own in rows.items() for _ in own],
        })  # fmt: skip
        columns = [keys[key] for key in wanted]
        dense = cohort.barcodes[chosen][:, columns].toarray() if wanted else np.zeros((len(chosen), 0))
        return pd.concat([table, pd.DataFrame(dense, columns=wanted)], axis=1)

    def _patients(self, key: str) -> Any:
        places = {name: row for row, name in enumerate(self.inputs.cohort.patients)}
        return np.array([places[name] for name in self.record.document["groups"][key]["patients"]], dtype=np.int64)

    # The page

    def report(self) -> Report:
        a, b = self.names
        sections = [
            Section("Summary", [*self._warnings(), Paragraph(self._summary(), "lead"), self._sizes(), Facts(WORDS)]),
            Section("Image sets", self._sets()),
            Section("All latents", self._scatter(), [self._file("scatter.csv", "the numbers of the scatter plot")]),
            *[self._group_section(name) for name in self.names],
            Section("Caveats", [Bullets(self._caveats())]),
            Section("What was analysed, with what", [Facts(self._analysed())]),
        ]
        demonstration = bool(self.inputs.cohort.record.get("demonstration"))
        subtitle: Text = [f"Two groups of patients by {self.inputs.request.column}, latent by latent"]
        return Report([Name(a), " and ", Name(b)], subtitle, demonstration, sections)

    def _file(self, name: str, what: str) -> Any:
        return file_source(self.folder.path / name, self.inputs.request.out, self.folder.command, what)

    def _warnings(self) -> list[Block]:
        caveats = self.record.document.get("caveats", [])
        return [Paragraph([self.record.value("caveats", i, form=str)], "warning") for i in range(len(caveats))]

    def _summary(self) -> Text:
        groups: list[Part] = []
        for key, joint in (("a", " and "), ("b", " are compared in ")):
            groups += [self.record.value("groups", key, "n_patients", form=count), " patients with "]
            groups += [Name(self.record.document["groups"][key]["name"]), joint]
        groups += [self.record.value("latents", "n_tested", form=count), " latents. ", *self._discoveries()]
        for name in self.names:
            found = self.latents[name]
            if found:
                row = found[0].row
                groups += [" Most above the other group in ", Name(name), ": ", *title_of(self.top.line(row))]
                groups += [" (", *self._two_means(row), ")."]
        return groups

    def _two_means(self, row: int) -> Text:
        own, other = ("mean_a", "mean_b") if self._is_a(row) else ("mean_b", "mean_a")
        return [self.top.value(row, own), " against ", self.top.value(row, other), f" {self._unit}"]

    @property
    def _unit(self) -> str:
        counted = (self.inputs.cohort.record.get("aggregator") or {}).get("name") == "count"
        return "patches per cell" if counted else "units of the aggregator"

    def _is_a(self, row: int) -> bool:
        return str(self.top.frame.at[row, "higher_in"]) == self.names[0]

    def _discoveries(self) -> list[Part]:
        if self.record.document.get("tests") is None:
            return ["No p-values are given: the groups come from different image sets."]
        return [
            self.record.value("tests", "n_discoveries", form=count), " of them differ at a false discovery rate of ",
            self.record.value("options", "q"), ".",
        ]  # fmt: skip

    def _sizes(self) -> Table:
        rows: list[list[Text]] = [
            [
                [Name(self.record.document["groups"][key]["name"])],
                [self.record.value("groups", key, "n_patients", form=count)],
                [self.record.value("groups", key, "n_images", form=count)],
            ]
            for key in "ab"
        ]
        return Table(["Group", "Patients", "Cells"], rows)

    def _sets(self) -> list[Block]:
        sets = self.record.document["image_sets"]
        rows: list[list[Text]] = [
            [
                [Name(name)],
                *[[self.record.value("image_sets", "counts", name, group, form=count)] for group in self.names],
            ]
            for name in sets["counts"]
        ]
        blocks: list[Block] = [Table(["Image set", *[f"{name}, patients" for name in self.names]], rows)]
        if len(sets["counts"]) == 1:
            return [*blocks, Paragraph(["All patients come from one set: sets do not explain a difference."])]
        return [
            *blocks,
            Paragraph(self._sets_sentence(sets), "warning" if sets["coincide"] or sets["associated"] else ""),
        ]

    def _sets_sentence(self, sets: dict[str, Any]) -> Text:
        text: list[Part] = [
            self.record.value("image_sets", "shared", form=percent), " of the patients come from a set that holds both "
            "groups. Test of association of group and set: ", *p_of(self.record.value("image_sets", "p", form=p_value)),
            f" ({sets['test']}). ",
        ]  # fmt: skip
        if sets["coincide"]:
            text += ["A difference of stain or camera cannot be told from one of the groups."]
        return text

    def _scatter(self) -> list[Block]:
        caption: Text = [
            f"Each dot is a latent: mean barcode of one group against that of the other ({self._unit}). Away from the "
            "diagonal the groups differ."
        ]
        return [
            Picture(
                png_uri(self.folder.path / "scatter.png"), "Scatter plot of both mean barcodes", caption, square=True
            )
        ]

    def _group_section(self, name: str) -> Section:
        found = self.latents[name]
        title: Text = ["More in ", Name(name)]
        if not found:
            return Section(title, [Paragraph(["No latent is higher in this group."])])
        blocks: list[Block] = [self._table(name), Paragraph(self._table_help(), "help")]
        if self.references is None:
            blocks.append(Paragraph(["The comparison was made without an atlas: it names no reference cells."]))
        else:
            blocks.append(Paragraph([PICTURES_HELP], "help"))
        blocks += [self._card(latent, name) for latent in found]
        return Section(title, blocks, [self.values.source])

    def _table(self, name: str) -> Table:
        tested = "q" in self.top.frame
        headers = ["Latent", "Flags", *[f"Mean {group}" for group in self.names], "Difference", "95 % interval",
                   "Rank-biserial r", *(["q"] if tested else [])]  # fmt: skip
        rows: list[list[Text]] = []
        for row in self.top.rows(higher_in=name)[:IN_TABLE]:
            interval: Text = [self.top.value(row, "difference_low", signed), " to ",
                              self.top.value(row, "difference_high", signed)]  # fmt: skip
            cells: list[Text] = [[self.top.value(row, "mean_a")], [self.top.value(row, "mean_b")]]
            cells += [[self.top.value(row, "difference", signed)], interval]
            cells += [[self.top.value(row, "rank_biserial", signed)]]
            cells += [[self.top.value(row, "q", p_value)]] if tested else []
            rows.append([title_of(self.top.line(row)), [", ".join(self._flags(row))], *cells])
        return Table(headers, rows, text_columns=2)

    def _flags(self, row: int) -> list[str]:
        from cytosae_toolkit.atlas.describing import flags_of

        return flag_words(" ".join(flags_of(self.top.line(row))))

    def _table_help(self) -> Text:
        a, b = self.names
        ranks = {"effect": "Sorted by rank-biserial r, among equals by relative difference. ",
                 "difference": "Sorted by difference. "}  # fmt: skip
        text: list[Part] = [
            ranks.get(str(self.record.document["options"].get("rank")), ""),
            f"{self._unit.capitalize()}, each patient counting once. Difference: ", Name(a), " minus ", Name(b),
            ", with an interval by bootstrap over patients. Rank-biserial r: one if every patient of the first group "
            "lies above every patient of the second, minus one for the reverse, nought for no difference. ",
        ]  # fmt: skip
        if "q" in self.top.frame:
            return [*text, "q: Mann-Whitney test, corrected for the number of latents (Benjamini-Hochberg)."]
        return [*text, "There are no q values: the groups come from different image sets."]

    def _card(self, latent: _Latent, name: str) -> LatentCard:
        row, key = latent.row, self._key(latent.row)
        values = self.values.frame
        plots = [
            PlotRow(group, values.loc[values["group"] == group, key].to_numpy(dtype=np.float64)) for group in self.names
        ]
        plot = Picture(svg_uri(dot_plot(plots, self._unit)), "Values of the patients of both groups")
        text: Text = [
            *self._two_means(row), ". Difference ", self.top.value(row, "difference", signed), " (",
            self.top.value(row, "difference_low", signed), " to ", self.top.value(row, "difference_high", signed), ")",
            *self._q(row), ".",
        ]  # fmt: skip
        return LatentCard(title_of(self.top.line(row)), self._flags(row), text, plot, self._cell_rows(latent, name))

    def _q(self, row: int) -> Text:
        return [", q ", self.top.value(row, "q", p_value)] if "q" in self.top.frame else []

    def _cell_rows(self, latent: _Latent, name: str) -> list[Any]:
        if self.references is None:
            return []
        other = self.names[1] if name == self.names[0] else self.names[0]
        strongest = strongest_of(self.pictures, [*latent.cells, *latent.contrast])
        rows = self.contrast.rows(key=self._key(latent.row))
        return [
            cell_row(
                ["Strongest cells of ", Name(group)], lines, cells, sheet, self.pictures, strongest,
                patients=True, empty="No cell of this group shows it.", group_column="",
            )
            for group, lines, cells, sheet in (
                (name, latent.lines, latent.cells, self.references),
                (other, rows, latent.contrast, self.contrast),
            )
        ]  # fmt: skip

    def _caveats(self) -> list[Text]:
        found: list[Text] = [GENERAL_CAVEATS[0]]
        if self.inputs.cohort.record.get("demonstration"):
            found.append(["The cells are generated, or the patients simulated: this shows how reports look, no more."])
        found += [[self.record.value("caveats", i, form=str)] for i in range(len(self.record.document["caveats"]))]
        if self.pictures.problem:
            found.append(["Some heat maps show the strongest patch alone: ", Name(self.pictures.problem)])
        found.append(
            ["The latents shown are those that set the groups apart most, so their differences are overestimated; the "
             "correction accounts for the tests of all latents."]
        )  # fmt: skip
        return [*found, *GENERAL_CAVEATS[1:]]

    def _analysed(self) -> list[tuple[str, Text]]:
        tests: Text = [self.record.value("tests", "test", form=str)] if self.record.document.get("tests") else ["none"]
        return [("Tests", tests), *analysed(self.inputs, self.facts)]


def p_of(value: Value) -> Text:
    """Return a p-value after its letter: ``p = 0.044``, ``p <0.001``."""
    return ["p " if value.text.startswith("<") else "p = ", value]
