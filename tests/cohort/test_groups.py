from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.groups import choose_groups, set_overlap
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.compared import barcodes


@pytest.fixture
def cohort():
    return open_cohort(barcodes(3, 4, 5))


def test_values_several_values_and_the_rest(cohort):
    rows = {"A": list(range(3)), "B": list(range(3, 7)), "C": list(range(7, 12))}
    for a, b, first, second in (
        ("A", "B", rows["A"], rows["B"]),
        ("A", "rest", rows["A"], rows["B"] + rows["C"]),  # not the patient of unknown disease
        ("rest", "A+C", rows["B"], rows["A"] + rows["C"]),
        ("B + C", "A", rows["B"] + rows["C"], rows["A"]),
    ):
        found = choose_groups(cohort, a, b)
        assert [group.rows.tolist() for group in found] == [first, second]
        assert [group.name for group in found] == [a, b]


def test_a_value_with_a_plus_and_one_called_rest_are_values():
    adata = barcodes(3, 4, 5)
    adata.obs["kind"] = ["CD34+"] * 5 + ["rest"] * 4 + ["x"] * 4
    cohort = open_cohort(adata)
    a, b = choose_groups(cohort, "CD34+", "rest", column="kind")
    assert (len(a), len(b)) == (5, 4)


@pytest.mark.parametrize(
    ("a", "b", "column", "message"),
    [
        ("AA", "B", "disease", r"No patient has disease 'AA'\. Did you mean A"),
        ("A", "B", "diseas", r"no column 'diseas'\. Did you mean disease"),
        ("A", "A", "disease", "Both groups are 'A'"),
        ("A+B", "B+A", "disease", "are the same patients"),
        ("rest", "rest", "disease", "Both groups are"),
        ("A+B", "B+C", "disease", "4 patients are in both groups, such as p3"),
        ("A+B+C", "rest", "disease", "The group 'rest' has 0 patients"),
    ],
)
def test_bad_groups_are_one_sentence(cohort, a, b, column, message):
    with pytest.raises(CytosaeError, match=message):
        choose_groups(cohort, a, b, column=column)


def test_one_patient_is_no_group():
    with pytest.raises(CytosaeError, match="The group 'A' has 1 patient. A comparison needs two"):
        choose_groups(open_cohort(barcodes(1, 4)), "A", "B")


def overlap(of_a: str, of_b: str):
    cohort = open_cohort(barcodes(len(of_a), len(of_b), 0, sets=[*of_a, *of_b, "z"]))
    return set_overlap(cohort, *choose_groups(cohort, "A", "B"))


def test_group_and_set_may_coincide_or_be_associated():
    apart = overlap("xxxxyy", "zzzzzz")
    assert apart.coincides
    assert not apart.associated
    assert apart.counts.to_dict("list") == {"A": [4, 2, 0], "B": [0, 0, 6]}
    uneven = overlap("xxxxxxxy", "yyyyyyyx")
    assert not uneven.coincides
    assert uneven.associated
    assert (uneven.test, uneven.shared) == ("Fisher", 1)
    assert uneven.p == pytest.approx(0.0101, abs=1e-4)
    few_shared = overlap("xxa", "yya")
    assert few_shared.associated
    assert few_shared.shared == pytest.approx(1 / 3)
    assert few_shared.test == "chi-squared"
    three_quarters = overlap("xxxx", "xxyy")
    assert three_quarters.p > 0.05
    assert three_quarters.shared == 0.75
    assert three_quarters.associated


def test_even_sets_are_no_caveat():
    for found in (overlap("xxxx", "xxxx"), overlap("xyxyxy", "yxyxyx")):
        assert not found.coincides
        assert not found.associated
        assert np.isclose(found.p, 1)
