from __future__ import annotations

import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.selecting import select
from cytosae_toolkit.errors import CytosaeError

from .making import make_barcodes


@pytest.fixture
def cohort():
    return open_cohort(make_barcodes(sets=("one", "two")))


@pytest.mark.parametrize("conditions", [["set=one"], ["set=one", "disease={a}"], ["disease={a}+{b}"], []])
def test_patients_that_meet_all_conditions(cohort, conditions):
    a, b = sorted(set(cohort.column("disease")))[:2]
    conditions = [text.format(a=a, b=b) for text in conditions]
    found = select(cohort, conditions)
    expected = [
        patient
        for patient, row in zip(cohort.patients, cohort.adata.obs.to_dict("records"), strict=True)
        if all(row[text.partition("=")[0]] in text.partition("=")[2].split("+") for text in conditions)
    ]
    assert found.patients.tolist() == expected
    assert len(expected) > 0


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        (["set"], "not of the form COLUMN=VALUE"),
        (["sets=one"], "no column 'sets'.* set"),
        (["set=onne"], "No patient has set 'onne'. Did you mean one"),
        (["set=one", "set=two"], "No patient meets set=one and set=two"),
    ],
)
def test_conditions_that_nobody_meets_are_one_sentence(cohort, conditions, message):
    with pytest.raises(CytosaeError, match=message):
        select(cohort, conditions)
