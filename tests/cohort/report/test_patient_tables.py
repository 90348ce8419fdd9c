from __future__ import annotations

import pandas as pd
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.report.making import make_report
from cytosae_toolkit.cohort.report.patient_tables import IN_DETAIL

from .conftest import ODD


def test_without_a_classification_only_what_stands_out_is_listed(alone):
    assert alone.columns == alone.profile.standing_out(15)
    assert alone.n_outstanding == len(alone.columns) == len(alone.tables.latents.frame)
    assert alone.detailed == alone.columns[:IN_DETAIL]
    assert list(alone.tables.cells.frame["of"]) == alone.kinds


def test_the_facts_of_a_patient_are_those_of_the_barcodes(request_for, barcodes_path):
    made = make_report(request_for(), patient=ODD)
    facts = pd.read_csv(made.files[0] / "facts.csv").set_index("fact")["value"]
    obs = open_cohort(barcodes_path).adata.obs
    assert int(facts["n_cells"]) == obs.loc[ODD, "n_cells"] == 5
    assert int(facts["n_others"]) == 10
    assert int(facts["n_same"]) == 4
    latents = pd.read_csv(made.files[0] / "latents.csv")
    cohort = open_cohort(barcodes_path)
    own = cohort.barcodes.toarray()[cohort.row_of(ODD)]
    assert latents["value"].to_numpy() == pytest.approx(own[latents["latent"]])


def test_cells_are_those_of_the_patient_and_references_are_not(request_for):
    made = make_report(request_for(), patient="p01")
    cells = pd.read_csv(made.files[0] / "cells.csv")
    assert set(cells["patient"][cells["of"] == "this patient"]) == {"p01"}
    assert "p01" not in set(cells["patient"][cells["of"] == "reference"])
    assert "strongest patch alone" in made.report.read_text()
