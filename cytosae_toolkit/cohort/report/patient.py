"""The report about one patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cytosae_toolkit.cohort.report.analysed import WORDS, analysed, flag_words
from cytosae_toolkit.cohort.report.cards import (
    PICTURES_HELP,
    title_of,
)
from cytosae_toolkit.cohort.report.classified import classified_blocks, read_classified
from cytosae_toolkit.cohort.report.document import (
    Block,
    Bullets,
    Facts,
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
from cytosae_toolkit.cohort.report.formats import blank, count, is_nothing, number, percent, signed
from cytosae_toolkit.cohort.report.patient_cards import patient_card
from cytosae_toolkit.cohort.report.patient_caveats import patient_caveats
from cytosae_toolkit.cohort.report.patient_tables import Patient
from cytosae_toolkit.cohort.report.pictures import figure_uri
from cytosae_toolkit.cohort.report.plots import strip_figure
from cytosae_toolkit.cohort.report.profile import Profile
from cytosae_toolkit.figures.barcodes import SMALLEST
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.report.inputs import Inputs
    from cytosae_toolkit.cohort.report.sources import TableFolder


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
    return _Page(Patient(inputs, patient, profile, read_classified(inputs, patient), tables, progress)).report()


class _Page:
    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        self.inputs, self.profile, self.classified = patient.inputs, patient.profile, patient.classified
        self.tables, self.n_outstanding = patient.tables, patient.n_outstanding

    def report(self) -> Report:
        group = self.profile.group
        subtitle: list[Part] = ["Concept barcode of one patient"]
        if group is not None:
            subtitle += [f"; recorded {self.inputs.request.column}: ", Name(group)]
        cards = [patient_card(self.patient, column) for column in self.patient.detailed]
        sections = [
            Section("Summary", self._summary()),
            Section("The barcode", self._barcode(), [self.tables.strips.source, self.tables.likeness.source]),
            *self._differential_section(),
            Section("Where this patient stands out", self._outstanding()),
            *self._classification_section(),
            Section(
                "The latents, with cells", [Paragraph([PICTURES_HELP], "help"), *cards],
                [self.tables.values.source, self.tables.cells.source],
            ),
            Section("Caveats", [Bullets(patient_caveats(self.patient))]),
            Section("What was analysed, with what", [Facts(self._analysed())]),
        ]  # fmt: skip
        demonstration = bool(self.inputs.cohort.record.get("demonstration"))
        return Report(["Patient ", Name(self.patient.name)], subtitle, demonstration, sections)

    def _summary(self) -> list[Block]:
        facts = self.tables.facts
        text: list[Part] = ["Patient ", Name(self.patient.name), " is described by ", facts.value("n_cells", count)]
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
            flags = "".join(f", {words}" for words in flag_words(blank(sheet.frame.at[i, "flags"])))
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
            flags = ", ".join(flag_words(blank(sheet.frame.at[i, "flags"])))
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

    def _analysed(self) -> list[tuple[str, Text]]:
        facts, obs = self.tables.facts, self.inputs.cohort.adata.obs
        patient: list[Part] = [Name(self.patient.name), ", ", facts.value("n_cells", count), " cell pictures"]
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


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else value
