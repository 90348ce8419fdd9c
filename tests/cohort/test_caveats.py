from __future__ import annotations

import numpy as np

from cytosae_toolkit.cohort.caveats import caveats, confounding, left_out, share_told_by_set
from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.folds import choose_participants
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
