"""The latents of a report about one patient, each with cells and the values of all patients."""

from __future__ import annotations

import numpy as np

from cytosae_toolkit.cohort.report.analysed import flag_words
from cytosae_toolkit.cohort.report.cards import cell_row, strongest_of, title_of
from cytosae_toolkit.cohort.report.document import LatentCard, Name, Part, Picture, Text
from cytosae_toolkit.cohort.report.formats import blank, is_nothing, number, signed
from cytosae_toolkit.cohort.report.patient_tables import OWN, REFERENCE, Patient
from cytosae_toolkit.cohort.report.pictures import svg_uri
from cytosae_toolkit.cohort.report.plots import PlotRow, dot_plot


def patient_card(patient: Patient, column: int) -> LatentCard:
    """Return the card of a column of the barcodes, one of `Patient.detailed`."""
    line, key = patient.columns.index(column), patient.key(column)
    row, shown = patient.tables.latents.line(line), patient.tables.cells
    lines = {kind: shown.rows(key=key, of=kind) for kind in (OWN, REFERENCE)}
    strongest = strongest_of(patient.pictures, [patient.cells[i] for kind in lines.values() for i in kind])
    rows = [
        cell_row(
            title, lines[kind], [patient.cells[i] for i in lines[kind]], shown, patient.pictures, strongest,
            patients=kind == REFERENCE, empty=empty,
        )
        for title, kind, empty in (
            ("This patient’s strongest cells", OWN, "None of this patient’s cells shows it."),
            ("Strongest cells of other patients", REFERENCE, "No cell of another patient shows it."),
        )
    ]  # fmt: skip
    return LatentCard(
        title_of(row), flag_words(blank(row["flags"])), _card_text(patient, line, key), _plot(patient, key), rows
    )  # fmt: skip


def _card_text(patient: Patient, line: int, key: str) -> Text:
    sheet = patient.tables.latents
    text: list[Part] = [sheet.value(line, "value", number), f" {patient.profile.unit} in this patient"]
    if not is_nothing(sheet.raw(line, "same")):
        text += [", ", sheet.value(line, "same", number), " in other patients of ", Name(str(patient.profile.group))]
    if len(patient.profile.others):
        text += [", ", sheet.value(line, "others", number), " in all others. "]
    else:
        text += [". "]
    if line < patient.n_outstanding and len(patient.profile.others):
        text += ["It is here because the patient stands out (score ", sheet.value(line, "score", signed), "). "]
    driven = None if patient.classified is None else patient.classified.contribution(key)
    if driven is not None and patient.classified is not None:
        speaks = "for" if float(patient.classified.drivers.raw(driven[0], "contribution")) > 0 else "against"
        text += [f"It spoke {speaks} the class ", Name(patient.classified.predicted), " (", driven[1], "). "]
    return text


def _plot(patient: Patient, key: str) -> Picture | None:
    if not len(patient.profile.others):
        return None
    values = patient.tables.values.frame[key].to_numpy(dtype=np.float64)
    rows = [PlotRow("this patient", values[[patient.profile.row]], marked=True)]
    rows += [PlotRow(name, values[others]) for name, others in patient.profile.other_groups.items()]
    if not patient.profile.other_groups:
        rows.append(PlotRow("other patients", values[patient.profile.others]))
    return Picture(svg_uri(dot_plot(rows, patient.profile.unit)), "Values of this patient and of others by group")
