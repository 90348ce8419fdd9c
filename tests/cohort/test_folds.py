from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.folds import choose_participants, stratified_folds
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.making import make_barcodes


def cohort(**options):
    return open_cohort(make_barcodes(**options))


def test_patients_without_a_disease_are_left_out_and_counted():
    adata = make_barcodes(n_per_disease=4)
    adata.obs.iloc[[2, 5], adata.obs.columns.get_loc("disease")] = np.nan
    found = choose_participants(open_cohort(adata), "disease", 2)
    assert found.unknown == 2
    assert sum(found.counts.values()) == len(found.rows) == 10
    assert found.classes == ("aml", "cll", "healthy")
    assert 2 not in found.rows


def test_small_classes_can_be_left_out():
    found = choose_participants(cohort(n_per_disease={"a": 6, "b": 6, "c": 2}), "disease", 5, 5)
    assert found.classes == ("a", "b")
    assert found.small == {"c": 2}


@pytest.mark.parametrize(
    ("sizes", "target", "folds", "least", "message"),
    [
        ({"a": 6}, "disease", 5, None, "All patients with a known disease have the same, 'a'"),
        ({"a": 6, "b": 6, "c": 3}, "disease", 5, None, "'c' of disease has 3 patients, fewer than the 5 folds. Choose "
         "--folds 3 or --min-patients 5 to leave such classes out."),
        ({"a": 6, "b": 1}, "disease", 5, None, "'b' of disease has 1 patient, fewer than the 5 folds. Add patients"),
        ({"a": 6, "b": 6}, "diesase", 5, None, "Did you mean disease"),
        ({"a": 6, "b": 6}, "disease", 5, 7, "--min-patients leaves 0 of 2 classes"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(sizes, target, folds, least, message):
    with pytest.raises(CytosaeError) as caught:
        choose_participants(cohort(n_per_disease=sizes), target, folds, least)
    assert message in str(caught.value)


def test_a_target_without_any_value_is_named():
    adata = make_barcodes(n_per_disease=3)
    adata.obs["age"] = np.nan
    with pytest.raises(CytosaeError, match="No patient has a value in 'age'"):
        choose_participants(open_cohort(adata), "age", 2)


def test_every_patient_is_tested_once_per_repeat_and_every_class_in_every_fold():
    codes = np.array([0] * 5 + [1] * 13 + [2] * 7)
    folds = stratified_folds(codes, 5, 3, seed=0)
    assert len(folds) == 15
    for repeat in range(3):
        own = [fold for fold in folds if fold.repeat == repeat]
        assert sorted(np.concatenate([fold.test for fold in own]).tolist()) == list(range(25))
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        assert set(codes[fold.test]) == {0, 1, 2}
    assert not np.array_equal(folds[0].test, folds[5].test)
    again = stratified_folds(codes, 5, 3, seed=0)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(folds, again, strict=True))
