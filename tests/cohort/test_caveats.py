from __future__ import annotations

import numpy as np

from cytosae_toolkit.cohort.caveats import (
    association,
    caveats,
    confounding,
    fall,
    incomplete,
    left_out,
    share_told_by_set,
)
from cytosae_toolkit.cohort.classification_tables import FeatureScores
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.folds import choose_participants
from cytosae_toolkit.cohort.left_out_sets import LeftOutSet
from cytosae_toolkit.cohort.scores import Interval, Score
from tests.cohort.making import make_barcodes


def found(adata):
    cohort = open_cohort(adata)
    return caveats(cohort, choose_participants(cohort, "disease", 2), "disease")


def test_small_classes_are_said_and_large_ones_are_not():
    assert found(make_barcodes(n_per_disease=20)) == ()
    (sentence,) = found(make_barcodes(n_per_disease={"a": 20, "b": 19}))
    assert sentence == "Fewer than 20 patients in a class (b 19): read the intervals, not the means."


def test_a_disease_of_one_laboratory_is_said():
    sets = np.array(["x", "x", "y", "y"], dtype=object)
    assert "Every image set holds one disease only" in confounding(np.array([0, 0, 1, 1]), sets, "disease")
    assert confounding(np.array([0, 1, 0, 1]), sets, "disease") == ""
    assert confounding(np.array([0, 0, 1, 1]), np.array(["x"] * 4, dtype=object), "disease") == ""
    partly = confounding(np.array([0, 0, 0, 1, 1, 1]), np.array(list("xxyyyy"), dtype=object), "disease")
    assert "tells disease for 83% of the patients (the commonest class: 50%)" in partly


def test_share_told_by_the_set():
    assert share_told_by_set(np.array([0, 1, 1]), np.array(["x", "x", "y"], dtype=object)) == 2 / 3


def test_mixed_sets_and_unlike_images_are_counted():
    adata = make_barcodes(n_per_disease=20)
    adata.obs.loc[["p01", "p02"], "set_share"] = 0.7
    adata.obs.loc["p03", "unlike_share"] = 0.9
    assert found(adata) == (
        "2 patients have images from several sets and count for the one with most.",
        "One patient has mostly images unlike those that the SAE was trained on.",
    )


def test_who_was_left_out():
    adata = make_barcodes(n_per_disease={"a": 6, "b": 6, "c": 2})
    adata.obs.iloc[0, adata.obs.columns.get_loc("disease")] = None
    who = choose_participants(open_cohort(adata), "disease", 4, 4)
    assert left_out(who, "disease")[0] == "Left out: 1 whose disease is unknown."
    assert left_out(who, "disease")[1].startswith("Left out, too few patients: c ")


def test_classes_of_one_set_each_are_said():
    codes = np.repeat([0, 1, 2], 8)
    sets = np.array(["x"] * 8 + ["y"] * 8 + ["x", "y"] * 4, dtype=object)
    sentence = association(codes, ("a", "b", "c"), sets, "disease")
    assert sentence.startswith("Test of association of disease and set: chi-squared p = 0.00034; ")
    assert "one set (a: x, b: y)" in sentence
    assert association(codes, ("a", "b", "c"), np.array(["x", "y"] * 12, dtype=object), "disease") == ""
    assert association(codes, ("a", "b", "c"), np.array(["x"] * 24, dtype=object), "disease") == ""
    one_elsewhere = np.array(["y"] + ["x"] * 23, dtype=object)
    assert association(codes, ("a", "b", "c"), one_elsewhere, "disease") == ""


def test_a_score_that_falls_with_a_set_left_out_is_said():
    def without(value, features="barcode"):
        scores = {"balanced_accuracy": Interval(value, value, value)}
        return [LeftOutSet(features, "all sets", 0, 9, ("a",), {}, scores, 0.5, "")]

    score = Score(0.86, 0.1, 0.861, 0.7, 0.95)
    assert fall(score, without(0.0)) == (
        "The score falls from 0.861 to 0.000 (balanced accuracy) when a set is left out: much of it may be the "
        "laboratory.",
    )
    assert fall(score, without(0.72)) == () and fall(score, without(0.0, "colour")) == () and fall(score, []) == ()
    assert fall(Score(0.86, 0.1, 0.861, np.nan, np.nan), without(0.5))


def test_features_that_some_patients_lack_are_said():
    features = [FeatureScores(name, "", 1, n, {}, {}) for name, n in (("barcode", 0), ("colour", 2), ("cls", 1))]
    assert incomplete(features) == (
        "The features 'colour' are unknown of 2 patients, taken as the mean of the training patients.",
        "The features 'cls' are unknown of 1 patient, taken as the mean of the training patients.",
    )
