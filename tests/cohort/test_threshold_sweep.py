from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.cross_validation import Settings, fit_fold
from cytosae_toolkit.cohort.features import barcode_features
from cytosae_toolkit.cohort.folds import choose_participants, stratified_folds
from cytosae_toolkit.cohort.regression import SCALES
from cytosae_toolkit.cohort.threshold_sweep import THRESHOLDS, choose_threshold, sweep_fold, sweep_thresholds
from tests.cohort.making import make_barcodes


def prepared(n_folds=4, **options):
    cohort = open_cohort(make_barcodes(**options))
    who = choose_participants(cohort, "disease", n_folds)
    return barcode_features(cohort), who.codes, stratified_folds(who.codes, n_folds, 1, 0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("strength", ["patients", "features"])
def test_a_swept_fold_equals_a_fit_at_each_threshold(scale, strength):
    features, codes, folds = prepared()
    thresholds = (-6.0, -3.0, -2.5, -1.0)
    decisions, n_kept = sweep_fold(features, codes, 3, folds[1], thresholds, Settings(0.0, scale, strength))
    for i, limit in enumerate(thresholds):
        model, expected = fit_fold(features, codes, 3, folds[1], Settings(limit, scale, strength))
        assert n_kept[i] == len(model.kept)
        np.testing.assert_allclose(decisions[i], expected, atol=2e-4 * max(1, np.abs(expected).max()))


def test_without_latents_the_prior_is_left():
    features, codes, folds = prepared(n_per_disease={"a": 8, "b": 16})
    decisions, n_kept = sweep_fold(features, codes, 2, folds[0], (0.5,), Settings())
    assert n_kept.tolist() == [0]
    assert (decisions[0].argmax(axis=1) == 1).all()


def test_the_curve_and_its_nested_point():
    features, codes, folds = prepared()
    found = sweep_thresholds(features, codes, 3, folds, (-6.0, -1.0, 0.0), Settings())
    assert [point.n_latents for point in found.points] == [39, 10, 0]
    assert found.points[0].pooled["weighted_f1"] > 0.8
    assert found.points[2].pooled["balanced_accuracy"] == pytest.approx(1 / 3)
    assert sum(point.times_chosen for point in found.points) == len(folds)
    assert (found.nested == codes).mean() > 0.8


def test_the_choice_sees_the_training_patients_alone():
    features, codes, folds = prepared(signal=0.7)
    one = choose_threshold(features, codes, 3, folds[0], THRESHOLDS, Settings(), 4)
    changed = features.rows(np.arange(24))
    for matrix in (changed.values, changed.activation):
        matrix[folds[0].test] = 1e6
    assert choose_threshold(changed, codes, 3, folds[0], THRESHOLDS, Settings(), 4) == one


def test_of_equal_thresholds_the_highest_is_chosen():
    features, codes, folds = prepared(signal=9.0)
    assert choose_threshold(features, codes, 3, folds[0], (-9.0, -8.0, -7.0), Settings(), 4) == 2


def test_a_class_with_one_training_patient_cannot_choose():
    features, codes, folds = prepared(n_folds=2, n_per_disease=2)
    assert sweep_thresholds(features, codes, 3, folds, (-3.0,), Settings()).nested is None
