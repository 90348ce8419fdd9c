from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.atlas.review_result import wilson_interval
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.cross_validation import Settings, cross_validate
from cytosae_toolkit.cohort.features import Features, barcode_features
from cytosae_toolkit.cohort.folds import choose_participants, stratified_folds
from cytosae_toolkit.cohort.left_out_sets import ALL_SETS, leave_sets_out
from cytosae_toolkit.cohort.scores import SCORES, pooled_scores
from tests.cohort.making import make_barcodes


def leave(**options):
    cohort = open_cohort(make_barcodes(**options))
    who = choose_participants(cohort, "disease", 2)
    features = [barcode_features(cohort), Features("set", "", np.zeros((len(cohort), 1)), np.arange(1))]
    found = leave_sets_out(features, who.codes, who.classes, cohort.sets, Settings(), n_bootstraps=50, seed=0)
    return {one.set: one for one in found}, found


def test_what_holds_in_the_other_laboratory():
    by_set, found = leave(sets=("x", "y"))
    assert [one.set for one in found] == ["x", "y", ALL_SETS]  # nothing for the identity of the set
    assert {one.features for one in found} == {"barcode"}
    for name in ("x", "y"):
        assert (by_set[name].n_train, by_set[name].n_test, by_set[name].chance) == (12, 12, 1 / 3)
        assert by_set[name].scores["balanced_accuracy"].value > 0.6
        assert by_set[name].note == ""
    assert by_set[ALL_SETS].n_test == 24
    means = {name: (by_set["x"].scores[name].value + by_set["y"].scores[name].value) / 2 for name in SCORES}
    assert {name: found.value for name, found in by_set[ALL_SETS].scores.items()} == pytest.approx(means)


def test_classes_that_the_others_lack_are_said_and_not_scored():
    by_set, _ = leave(sets={"healthy": ("x", "y"), "aml": ("x", "y"), "cll": ("y",)})
    assert by_set["y"].unseen == {"cll": 8}
    assert by_set["y"].note == "cll not scored: the other sets do not have it"
    assert by_set["y"].n_test == 8
    assert by_set["x"].unseen == {}


def test_one_class_only_and_nothing_to_score():
    by_set, _ = leave(sets={"healthy": ("x", "y"), "aml": ("y", "z"), "cll": ("z",)})
    assert "one class only: read its accuracy; F1 means little" in by_set["x"].note
    by_set, _ = leave(n_per_disease={"a": 6, "b": 6}, sets={"a": ("x",), "b": ("y",)})
    assert by_set["x"].scores == {} and by_set["x"].chance is None
    assert by_set["x"].note == "not scored: the other sets have one class only, b"
    assert by_set[ALL_SETS].note == "no set could be scored"
    by_set, _ = leave(sets={"healthy": ("x",), "aml": ("y",), "cll": ("y",)})
    assert by_set["x"].note == "not scored: the other sets have none of its classes"


def test_a_single_set_cannot_be_left_out():
    assert leave()[1] == []


def test_what_only_tells_laboratories_apart_falls_to_chance():
    """Barcodes know the laboratory alone, which goes with the disease: cross-validation is fooled, this is not."""
    where = {"a": ("x",) * 4 + ("y",), "b": ("y",) * 4 + ("x",)}
    adata = make_barcodes(n_per_disease={"a": 20, "b": 20}, sets=where, signal=0.0)
    counts = adata.X.toarray()
    counts[(adata.obs["set"] == "y").to_numpy(), :5] += 5
    adata.X = sparse.csr_matrix(counts)
    cohort = open_cohort(adata)
    who = choose_participants(cohort, "disease", 5)
    features, folds = barcode_features(cohort), stratified_folds(who.codes, 5, 1, 0)
    inside = cross_validate(features, who.codes, 2, folds, Settings())
    assert pooled_scores(who.codes, inside.predicted, 2)["balanced_accuracy"] > 0.65
    found = leave_sets_out([features], who.codes, who.classes, cohort.sets, Settings(), n_bootstraps=50, seed=0)
    assert found[-1].scores["balanced_accuracy"].value < 0.6


def test_a_tiny_set_has_an_interval_with_a_width():
    """Five of five right is not certainty: Wilson's limits of the accuracy, 5/5: 0.566 to 1."""
    by_set, _ = leave(sets={"healthy": ("x", "y"), "aml": ("y", "z"), "cll": ("z",)})
    one = by_set["x"]
    found = one.scores["accuracy"]
    assert found == one.scores["balanced_accuracy"]
    assert (found.low, found.high) == pytest.approx(wilson_interval(round(found.value * one.n_test), one.n_test))
    f1 = one.scores["weighted_f1"]
    assert f1.value == pytest.approx(2 * found.value / (1 + found.value))
    assert f1.low <= f1.value <= f1.high and f1.low < f1.high
    several, _ = leave(n_per_disease={"a": 4, "b": 4}, sets=("x", "y"), signal=50.0)
    sure = several["x"].scores["balanced_accuracy"]
    assert sure.value == 1 and sure.low == pytest.approx(wilson_interval(4, 4)[0])
    every = by_set[ALL_SETS].scores["balanced_accuracy"]
    assert every.low < every.value and every.low < every.high
