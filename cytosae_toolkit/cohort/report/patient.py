"""The report about one patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cytosae_toolkit.cohort.patients import text_column
from cytosae_toolkit.cohort.report.analysed import WORDS, Fact, analysed, common_facts, flag_words
from cytosae_toolkit.cohort.report.cards import (
    CELLS,
    PICTURES_HELP,
    cell_row,
    cell_table,
    latents_of,
    strongest_of,
    title_of,
)
from cytosae_toolkit.cohort.report.classified import Classified, classified_blocks, read_classified
from cytosae_toolkit.cohort.report.document import (
    Block,
    Bullets,
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
)
from cytosae_toolkit.cohort.report.formats import count, is_nothing, number, percent, signed
from cytosae_toolkit.cohort.report.patient_caveats import caveat_facts, patient_caveats
from cytosae_toolkit.cohort.report.pictures import CellPictures, Shown, figure_uri, strongest_cells, svg_uri
from cytosae_toolkit.cohort.report.plots import PlotRow, dot_plot, strip_figure
from cytosae_toolkit.cohort.report.profile import Profile
from cytosae_toolkit.figures.barcodes import SMALLEST
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.report.inputs import Inputs
    from cytosae_toolkit.cohort.report.sources import FactSheet, Sheet, TableFolder

STANDING_OUT = 15
"""Latents of the table of those that stand out."""
IN_DETAIL = 6
"""Of each kind, shown with cells: those that stand out most, and those that drove a prediction most."""
OWN, REFERENCE = "this patient", "reference"


@dataclass(frozen=True)
class PatientTables:
    """The tables of a report about a patient, written.

    Parameters
    ----------
    facts : FactSheet
        Single numbers.
    latents : Sheet
        Latents that stand out, then those that drove the prediction; `Profile.latent_rows`.
    values : Sheet
        Of all patients in these latents.
    likeness : Sheet
        To each group.
    strips : Sheet
        What the figure of barcodes shows.
    cells : Sheet
        What cells are shown.
    differential : Sheet or None
        Cell classes.
    """

    facts: FactSheet
    latents: Sheet
    values: Sheet
    likeness: Sheet
    strips: Sheet
    cells: Sheet
    differential: Sheet | None


def patient_report(inputs: Inputs, patient: str, tables: TableFolder, *, progress: Progress = SILENT) -> Report:
    """Return the report about a patient, and write the tables of its numbers.

    Parameters
    ----------
    inputs : Inputs
        Barcodes and atlas.
    patient : str
        Whom.
    tables : TableFolder
        Where the tables go.
    progress : Progress
        Whom to tell.

    Raises
    ------
    CytosaeError
        If there is no such patient, or a classification does not belong to the barcodes.
    """
    profile = Profile(inputs.cohort, inputs.cohort.row_of(patient), inputs.groups)
    return _Maker(inputs, patient, profile, read_classified(inputs, patient), tables, progress).report()


class _Maker:
    def __init__(
        self, inputs: Inputs, patient: str, profile: Profile, classified: Classified | None, tables: TableFolder,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.inputs, self.patient, self.profile, self.classified = inputs, patient, profile, classified
        outstanding = profile.standing_out(STANDING_OUT)
        self.n_outstanding = len(outstanding)
        drivers = [column for column in self._driver_columns() if column not in outstanding]
        self.columns = outstanding + drivers
        detailed = outstanding[:IN_DETAIL]
        self.detailed = detailed + [c for c in self._driver_columns()[:IN_DETAIL] if c not in detailed]
        self.cells, self.kinds = self._choose_cells()
        self.pictures = CellPictures(inputs.atlas, self.cells, progress)
        self.tables = self._write(tables)

    def _driver_columns(self) -> list[int]:
        if self.classified is None:
            return []
        places = {str(key): column for column, key in enumerate(self.inputs.cohort.latents["key"])}
        return [places[key] for key in self.classified.keys if key in places]

    def _choose_cells(self) -> tuple[list[Shown], list[str]]:
        patients = text_column(self.inputs.atlas.images, "patient")
        own = np.array([name == self.patient for name in patients])
        known = np.array([name is not None for name in patients])
        cells, kinds = [], []
        for column in self.detailed:
            latents, key = latents_of(self.inputs.cohort, column), self._key(column)
            for kind, only in ((OWN, own), (REFERENCE, known & ~own)):
                found = strongest_cells(self.inputs.atlas, latents, CELLS, only=only)
                cells += [Shown(key, latents, row, value) for row, value in found]
                kinds += [kind] * len(found)
        return cells, kinds

    def _key(self, column: int) -> str:
        return str(self.inputs.cohort.latents["key"].iloc[column])

    def _write(self, tables: TableFolder) -> PatientTables:
        profile = self.profile
        differential = self._differential()
        return PatientTables(
            facts=tables.facts(self._facts()),
            latents=tables.write(
                "latents", profile.latent_rows(self.columns), "latents that stand out or drove the prediction"
            ),
            values=tables.write("values", profile.values(self.columns), "values of all patients in these latents"),
            likeness=tables.write("likeness", profile.likeness(), "how alike the barcode is to those of groups"),
            strips=tables.write("barcode", profile.strips(), "the barcodes of the figure"),
            cells=tables.write(
                "cells", cell_table(self.cells, self.kinds, self.pictures, self.inputs.request.column),
                "the cells that are shown",
            ),
            differential=None if differential is None else tables.write(
                "cell-classes", differential, "labels of the cells, by patient and group"
            ),
        )  # fmt: skip

    def _facts(self) -> list[Fact]:
        obs, row, where = self.inputs.cohort.adata.obs, self.profile.row, str(self.inputs.path)
        same = self.profile.other_groups.get(self.profile.group or "", np.zeros(0))
        facts = [
            *common_facts(self.inputs),
            ("n_same", len(same), f"{where} obs/{self.inputs.request.column}"),
            ("n_others", len(self.profile.others), f"{where} obs"),
        ]
        for name in ("n_cells", "n_groups", "set_share", "unlike_share"):
            if name in obs:
                facts.append((name, obs[name].iloc[row].item(), f"{where} obs/{self.patient}/{name}"))
        return [*facts, *caveat_facts(self.inputs, self.profile, self.patient)]

    def _differential(self) -> pd.DataFrame | None:
        """Return the shares of cell classes: the patient's, and the means of the other patients by group."""
        shares = self.inputs.cohort.embedding("cell_classes")
        if shares is None or shares.iloc[self.profile.row].isna().all():
            return None
        table: dict[str, Any] = {"label": list(shares.columns), "value": shares.iloc[self.profile.row].to_numpy()}
        for i, rows in enumerate(self.profile.other_groups.values()):
            table[f"group_{i}"] = shares.iloc[rows].mean(axis=0).to_numpy()
        return pd.DataFrame(table).sort_values("value", ascending=False, kind="stable", ignore_index=True)

    # The page

    def report(self) -> Report:
        group = self.profile.group
        subtitle: list[Part] = ["Concept barcode of one patient"]
        if group is not None:
            subtitle += [f"; recorded {self.inputs.request.column}: ", Name(group)]
        sections = [
            Section("Summary", self._summary()),
            Section("The barcode", self._barcode(), [self.tables.strips.source, self.tables.likeness.source]),
            *self._differential_section(),
            Section("Where this patient stands out", self._outstanding()),
            *self._classification_section(),
            Section(
                "The latents, with cells", [Paragraph([PICTURES_HELP], "help"), *self._cards()],
                [self.tables.values.source, self.tables.cells.source],
            ),
            Section("Caveats", [Bullets(patient_caveats(self))]),
            Section("What was analysed, with what", [Facts(self._analysed())]),
        ]  # fmt: skip
        demonstration = bool(self.inputs.cohort.record.get("demonstration"))
        return Report(["Patient ", Name(self.patient)], subtitle, demonstration, sections)

    def _summary(self) -> list[Block]:
        facts = self.tables.facts
        text: list[Part] = ["Patient ", Name(self.patient), " is described by ", facts.value("n_cells", count)]
        text += [" cell, " if facts.raw("n_cells") == "1" else " cells, "]
        text += self._compared_with()
        text += self._most_outstanding()
        if self.classified is not None and self.classified.row is not None:
            text += [
                " A classification that had not seen this patient gave it the class ", Name(self.classified.predicted),
                " (probability ", self.classified.probability(), ").",
            ]  # fmt: skip
        return [Paragraph(text, "lead"), Facts(WORDS)]

    def _compared_with(self) -> list[Part]:
        facts, group = self.tables.facts, self.profile.group
        if not len(self.profile.others):
            return ["and there is no other patient to compare it with."]
        text: list[Part] = ["and compared with ", facts.value("n_others", count), " other patients"]
        if group is not None:
            text += [", ", facts.value("n_same", count), " of them with the same ", self.inputs.request.column]
            text += [" (", Name(group), ")"]
        return [*text, "."]

    def _most_outstanding(self) -> list[Part]:
        if not self.n_outstanding or not len(self.profile.others):
            return []
        sheet = self.tables.latents
        text: list[Part] = [" It differs most from all other patients in "]
        for i in range(min(3, self.n_outstanding)):
            flags = "".join(f", {words}" for words in flag_words(_blank(sheet.frame.at[i, "flags"])))
            text += [("", ", ", " and ")[i], *title_of(sheet.line(i)), f"{flags} (", sheet.value(i, "value", number)]
            text += [f" {self.profile.unit}, others " if i == 0 else ", others ", sheet.value(i, "others", number), ")"]
        return [*text, "."]

    def _barcode(self) -> list[Block]:
        if not len(self.profile.others):
            return [Paragraph(["With no other patients there is nothing that the barcode could be set against."])]
        names = [name for name in self.tables.strips.frame.columns if name not in ("key", "label", "others")]
        figure = strip_figure(self.tables.strips.frame, names, self.profile.unit)
        caption: Text = [
            "Each stripe is a latent; latents are ordered by the label of the cells on which they are strongest. "
            "Behind each group stands the number of its patients, this one not among them."
        ]
        blocks: list[Block] = [
            Picture(figure_uri(figure), "Barcodes of the patient and of groups of other patients", caption)
        ]
        return [*blocks, *self._likeness()]

    def _likeness(self) -> list[Block]:
        sheet = self.tables.likeness
        rows: list[list[Text]] = [
            [[Name(str(name))], [sheet.value(i, "n_patients", count)], [sheet.value(i, "r", number)]]
            for i, name in enumerate(sheet.frame["group"])
        ]
        if not rows:
            return []
        title = "How alike the barcode is to the mean of each group (Pearson’s r)"
        return [
            Table([self.inputs.request.column.capitalize(), "Other patients", "r"], rows, caption=title),
            Paragraph(["All cells share much: small differences of r are what there is. It is no test."], "help"),
        ]

    def _differential_section(self) -> list[Section]:
        sheet = self.tables.differential
        if sheet is None:
            return []
        groups = [str(name) for name in self.profile.other_groups]
        columns = ["value", *[f"group_{i}" for i in range(len(groups))]]
        rows: list[list[Text]] = [
            [[Name(_words(label))], *[[sheet.value(i, column, percent)] for column in columns]]
            for i, label in enumerate(sheet.frame["label"])
        ]
        blocks: list[Block] = [
            Table(["Cell class", "This patient", *groups], rows),
            Paragraph(
                ["Shares of the labels that the image table gives the cells; groups: means of their other patients. "
                 "The cells were chosen by whoever made the images: this is no clinical differential count."],
                "help",
            ),
        ]  # fmt: skip
        return [Section("Labels of the cells", blocks)]

    def _outstanding(self) -> list[Block]:
        sheet, group = self.tables.latents, self.profile.group
        headers = ["Latent", "This patient"]
        columns = [("value", number)]
        if group is not None and not sheet.frame["same"].isna().all():
            headers, columns = [*headers, f"Other {group}"], [*columns, ("same", number)]
        if len(self.profile.others):
            headers += ["All others", "Middle 80 % of them", "Score"]
        rows: list[list[Text]] = []
        for i in range(self.n_outstanding):
            cells: list[Text] = [[sheet.value(i, name, form)] for name, form in columns]
            if len(self.profile.others):
                middle: Text = [sheet.value(i, "low", number), " to ", sheet.value(i, "high", number)]
                cells += [[sheet.value(i, "others", number)], middle, [sheet.value(i, "score", signed)]]
            flags = ", ".join(flag_words(_blank(sheet.frame.at[i, "flags"])))
            rows.append([title_of(sheet.line(i)), [flags], *cells])
        if not rows:
            return [Paragraph(["No latent of this patient differs from the others."])]
        return [Table([headers[0], "Flags", *headers[1:]], rows, text_columns=2), Paragraph(self._how(), "help")]

    def _how(self) -> Text:
        if not len(self.profile.others):
            return [f"Values are {self.profile.unit}; there are no other patients, so the largest are listed."]
        return [
            f"Values are {self.profile.unit}. Sorted by the size of the score: the distance from the mean of all other "
            "patients in their standard deviations, to which a little is added (",
            Note(f"{SMALLEST:g}"),
            ") so that what hardly occurs does not rank high. It is no test: among so many latents some always lie far "
            "out.",
        ]

    def _classification_section(self) -> list[Section]:
        if self.classified is None:
            return []
        titles = {str(key): title_of(self.tables.latents.line(i))
                  for i, key in enumerate(self.tables.latents.frame["key"])}  # fmt: skip
        return [Section("What a classification says", classified_blocks(self.classified, titles))]

    def _cards(self) -> list[Block]:
        return [self._card(column) for column in self.detailed]

    def _card(self, column: int) -> LatentCard:
        line, key = self.columns.index(column), self._key(column)
        row = self.tables.latents.line(line)
        lines = {kind: self.tables.cells.rows(key=key, of=kind) for kind in (OWN, REFERENCE)}
        strongest = strongest_of(self.pictures, [self.cells[i] for kind in lines.values() for i in kind])
        rows = [
            cell_row(
                title, lines[kind], [self.cells[i] for i in lines[kind]], self.tables.cells, self.pictures, strongest,
                patients=kind == REFERENCE, empty=empty,
            )
            for title, kind, empty in (
                ("This patient’s strongest cells", OWN, "None of this patient’s cells shows it."),
                ("Strongest cells of other patients", REFERENCE, "No cell of another patient shows it."),
            )
        ]  # fmt: skip
        return LatentCard(
            title_of(row), flag_words(_blank(row["flags"])), self._card_text(line, key), self._plot(key), rows
        )  # fmt: skip

    def _card_text(self, line: int, key: str) -> Text:
        sheet = self.tables.latents
        text: list[Part] = [sheet.value(line, "value", number), f" {self.profile.unit} in this patient"]
        if not is_nothing(sheet.raw(line, "same")):
            text += [", ", sheet.value(line, "same", number), " in other patients of ", Name(str(self.profile.group))]
        if len(self.profile.others):
            text += [", ", sheet.value(line, "others", number), " in all others. "]
        else:
            text += [". "]
        if line < self.n_outstanding and len(self.profile.others):
            text += ["It is here because the patient stands out (score ", sheet.value(line, "score", signed), "). "]
        driven = None if self.classified is None else self.classified.contribution(key)
        if driven is not None and self.classified is not None:
            speaks = "for" if float(self.classified.drivers.raw(driven[0], "contribution")) > 0 else "against"
            text += [f"It spoke {speaks} the class ", Name(self.classified.predicted), " (", driven[1], "). "]
        return text

    def _plot(self, key: str) -> Picture | None:
        if not len(self.profile.others):
            return None
        values = self.tables.values.frame[key].to_numpy(dtype=np.float64)
        rows = [PlotRow("this patient", values[[self.profile.row]], marked=True)]
        rows += [PlotRow(name, values[others]) for name, others in self.profile.other_groups.items()]
        if not self.profile.other_groups:
            rows.append(PlotRow("other patients", values[self.profile.others]))
        return Picture(svg_uri(dot_plot(rows, self.profile.unit)), "Values of this patient and of others by group")

    def _analysed(self) -> list[tuple[str, Text]]:
        facts, obs = self.tables.facts, self.inputs.cohort.adata.obs
        patient: list[Part] = [Name(self.patient), ", ", facts.value("n_cells", count), " cell pictures"]
        if "n_groups" in facts:
            patient += [" of ", facts.value("n_groups", count), " distinct cells"]
        items: list[tuple[str, Text]] = [("Patient", patient)]
        name = self.inputs.cohort.sets[self.profile.row]
        images: list[Part] = [Name(str(name) or "unknown")]
        if "set_share" in facts:
            images += [" (", facts.value("set_share", percent), " of the pictures)"]
        items.append(("Image set", images))
        if "unlike_share" in facts:
            unlike: Text = [facts.value("unlike_share", percent), " of the pictures"]
            items.append(("Unlike the training images", unlike))
        for column in obs.columns:
            if column not in _SAID and not is_nothing(_plain(obs[column].iloc[self.profile.row])):
                items.append((str(column), [Name(str(obs[column].iloc[self.profile.row]))]))
        return items + analysed(self.inputs, facts)


_SAID = ("n_cells", "n_groups", "set", "set_share", "unlike_share")


def _words(name: Any) -> str:
    return str(name).replace("_", " ")


def _blank(value: Any) -> str:
    return "" if is_nothing(value) else str(value)


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else value
