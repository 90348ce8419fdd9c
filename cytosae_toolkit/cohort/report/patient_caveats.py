"""What a reader must know before believing a report about a patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cytosae_toolkit.cohort.caveats import FEW_PATIENTS, association, confounding
from cytosae_toolkit.cohort.patients import text_column
from cytosae_toolkit.cohort.report.analysed import GENERAL_CAVEATS, Fact
from cytosae_toolkit.cohort.report.document import Name, Text
from cytosae_toolkit.cohort.report.formats import count, percent

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.report.inputs import Inputs
    from cytosae_toolkit.cohort.report.patient_tables import Patient
    from cytosae_toolkit.cohort.report.profile import Profile

FEW_CELLS = 100
"""Cells below which a barcode is said to rest on few."""


def caveat_facts(inputs: Inputs, profile: Profile, patient: str) -> list[Fact]:
    """Return the single numbers and sentences that caveats say."""
    owners = text_column(inputs.atlas.images, "patient")
    facts: list[Fact] = [("atlas_cells", int(np.sum(owners == patient)), f"{inputs.atlas.path} obs/patient")]
    sentence = _confounding(profile, inputs.request.column)
    if sentence:
        facts.append(("confounding", sentence, f"{inputs.path} obs/set"))
    return facts


def _confounding(profile: Profile, column: str) -> str:
    known = np.array([group is not None for group in profile.groups])
    if not known.any() or len(set(profile.groups[known])) < 2:
        return ""
    names, codes = np.unique(profile.groups[known].astype(str), return_inverse=True)
    codes, sets = codes.astype(np.int64), profile.cohort.sets[known]
    sentences = [confounding(codes, sets, column), association(codes, names.tolist(), sets, column)]
    return " ".join(filter(None, sentences))


def patient_caveats(patient: Patient) -> list[Text]:
    """Return the caveats of a report about a patient, the most important first."""
    found = [GENERAL_CAVEATS[0], *_demonstration(patient), *_cells(patient), *_others(patient), *_images(patient)]
    if "confounding" in patient.tables.facts:
        found.append([patient.tables.facts.value("confounding", str)])
    if patient.classified is not None:
        record = patient.classified.folder.record
        caveats = record.document.get("caveats", [])
        found += [["Of the classification: ", record.value("caveats", i, form=str)] for i in range(len(caveats))]
    if patient.pictures.problem:
        found.append(["Some heat maps show the strongest patch alone: ", Name(patient.pictures.problem)])
    return [*found, *GENERAL_CAVEATS[1:]]


def _demonstration(patient: Patient) -> list[Text]:
    if not patient.inputs.cohort.record.get("demonstration"):
        return []
    return [["The cells are generated, or the patients simulated: this report shows how reports look, no more."]]


def _cells(patient: Patient) -> list[Text]:
    facts = patient.tables.facts
    found: list[Text] = []
    n = int(facts.raw("n_cells"))
    if n < FEW_CELLS:
        what = "a single cell" if n == 1 else "few cells"
        found.append([f"The barcode rests on {what} (", facts.value("n_cells", count), "): chance plays a part."])
    if int(facts.raw("atlas_cells")) != n:
        found.append(
            [
                "The atlas now holds ", facts.value("atlas_cells", count), " pictures of this patient, the barcodes ",
                facts.value("n_cells", count), ": they were made from another state of it. Make the barcodes again.",
            ]
        )  # fmt: skip
    return found


def _others(patient: Patient) -> list[Text]:
    facts, group = patient.tables.facts, patient.profile.group
    if not len(patient.profile.others):
        return [["There are no other patients: nothing says what is usual."]]
    if group is None:
        return [[f"The {patient.inputs.request.column} of this patient is unknown: there is no group of its own."]]
    if int(facts.raw("n_same")) >= FEW_PATIENTS:
        return []
    return [
        [
            "The group ", Name(group), " is small: ", facts.value("n_same", count),
            " other patients; its means are uncertain.",
        ]
    ]  # fmt: skip


def _images(patient: Patient) -> list[Text]:
    facts = patient.tables.facts
    found: list[Text] = []
    if "unlike_share" in facts and float(facts.raw("unlike_share")) > 0:
        found.append(
            [
                facts.value("unlike_share", percent), " of the pictures are unlike those that the dictionary was "
                "trained on: what it says of them is less sure.",
            ]
        )  # fmt: skip
    if "set_share" in facts and float(facts.raw("set_share")) < 1:
        found.append(["The pictures come from several image sets, which may differ in stain and camera."])
    return found
