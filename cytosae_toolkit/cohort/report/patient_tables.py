"""What a report about one patient knows: its latents, its cells, and the tables of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cytosae_toolkit.cohort.patients import text_column
from cytosae_toolkit.cohort.report.analysed import Fact, common_facts
from cytosae_toolkit.cohort.report.cards import CELLS, cell_table, latents_of
from cytosae_toolkit.cohort.report.classified import Classified
from cytosae_toolkit.cohort.report.patient_caveats import caveat_facts
from cytosae_toolkit.cohort.report.pictures import CellPictures, Shown, strongest_cells
from cytosae_toolkit.cohort.report.profile import Profile
from cytosae_toolkit.progress import Progress

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


class Patient:
    """What is known of a patient, with its tables written.

    Parameters
    ----------
    inputs : Inputs
        Barcodes and atlas.
    name : str
        Of the patient.
    profile : Profile
        The barcode among those of others.
    classified : Classified or None
        What a classification says.
    tables : TableFolder
        Where the tables go.
    progress : Progress
        Whom to tell.

    Attributes
    ----------
    columns : list of int
        Columns of the barcodes that the tables list: what stands out, then what else drove a prediction.
    n_outstanding : int
        How many of them stand out.
    detailed : list of int
        Columns that are shown with cells.
    cells, kinds : list of Shown, list of str
        The cells, and of each whether it is `OWN` or `REFERENCE`.
    pictures : CellPictures
        Of the cells.
    tables : PatientTables
        As written.
    """

    def __init__(
        self, inputs: Inputs, name: str, profile: Profile, classified: Classified | None, tables: TableFolder,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.inputs, self.name, self.profile, self.classified = inputs, name, profile, classified
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
        own = np.array([owner == self.name for owner in patients])
        known = np.array([owner is not None for owner in patients])
        cells, kinds = [], []
        for column in self.detailed:
            latents, key = latents_of(self.inputs.cohort, column), self.key(column)
            for kind, only in ((OWN, own), (REFERENCE, known & ~own)):
                found = strongest_cells(self.inputs.atlas, latents, CELLS, only=only)
                cells += [Shown(key, latents, row, value) for row, value in found]
                kinds += [kind] * len(found)
        return cells, kinds

    def key(self, column: int) -> str:
        """Return the name of a column of the barcodes."""
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
                facts.append((name, obs[name].iloc[row].item(), f"{where} obs/{self.name}/{name}"))
        return [*facts, *caveat_facts(self.inputs, self.profile, self.name)]

    def _differential(self) -> pd.DataFrame | None:
        """Return the shares of cell classes: the patient's, and the means of the other patients by group."""
        shares = self.inputs.cohort.embedding("cell_classes")
        if shares is None or shares.iloc[self.profile.row].isna().all():
            return None
        table: dict[str, Any] = {"label": list(shares.columns), "value": shares.iloc[self.profile.row].to_numpy()}
        for i, rows in enumerate(self.profile.other_groups.values()):
            table[f"group_{i}"] = shares.iloc[rows].mean(axis=0).to_numpy()
        return pd.DataFrame(table).sort_values("value", ascending=False, kind="stable", ignore_index=True)
