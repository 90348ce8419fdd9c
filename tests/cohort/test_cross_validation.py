from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.cross_validation import (
    Settings,
    check_threshold,
    cross_validate,
    fit_fold,
    fold_scores,
    imputed,
)
from cytosae_toolkit.cohort.features import Features, barcode_features
from cytosae_toolkit.cohort.folds import choose_participants, stratified_folds
from cytosae_toolkit.cohort.scores import pooled_scores
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.making import make_barcodes


def prepared(**options):
    cohort = open_cohort(make_barcodes(**options))
    who = choose_participants(cohort, "disease", 4)
    return barcode_features(cohort), who.codes, stratified_folds(who.codes, 4, 2, 0)


def test_signal_is_found_and_every_prediction_is_out_of_fold():
    features, codes, folds = prepared()
    result = cross_validate(features, codes, 3, folds, Settings())
    assert result.decisions.shape == (2, 24, 3)
    assert pooled_scores(codes, result.predicted, 3)["weighted_f1"] > 0.8
    assert fold_scores(result.predicted, codes, 3, folds)["accuracy"].shape == (8,)
    model = result.models[5]
    expected = model.regression.decision(features.values[np.ix_(model.fold.test, model.kept)])
    np.testing.assert_array_equal(result.decisions[1, model.fold.test], expected)


def test_nothing_of_the_test_patients_reaches_the_model():
    features, codes, folds = prepared()
    fold = folds[0]
    model, _ = fit_fold(features, codes, 3, fold, Settings())
    changed = Features(
        features.name, "", features.values.copy(), features.columns, features.activation.copy(),
        features.frequency.copy(),
    )  # fmt: skip
    for matrix in (changed.values, changed.activation, changed.frequency):
        matrix[fold.test] *= 1000
    other, _ = fit_fold(changed, np.where(np.isin(np.arange(24), fold.test), 0, codes), 3, fold, Settings())
    np.testing.assert_array_equal(model.kept, other.kept)
    np.testing.assert_array_equal(model.regression.coefficients, other.regression.coefficients)


def test_the_threshold_zeroes_latents():
    features, codes, folds = prepared(d=40)
    kept = [fit_fold(features, codes, 3, folds[0], Settings(limit))[0].kept for limit in (-np.inf, -2.0)]
    assert len(kept[0]) == 39
    assert kept[1].tolist() == list(range(20))  # 10^(-4 s / 40) > 10^-2


def test_a_threshold_above_all_is_refused_with_the_largest():
    features, _, folds = prepared()
    with pytest.raises(CytosaeError, match=r"above 1: the largest is 0\.00. Lower --min-log10-mean"):
        check_threshold(features, folds, Settings(1.0))


def test_unknown_values_become_the_training_mean():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 5.0]])
    found = imputed(values, np.array([0, 1]))
    assert found.tolist() == [[1, 0], [3, 0], [2, 5]]


@pytest.mark.parametrize("change", [{"scale": "raw"}, {"scale": "standardised"}, {"strength": 1e-3},
                                    {"strength": "features"}, {"min_log10_mean": -1.0}])  # fmt: skip
def test_every_setting_changes_something(change):
    features, codes, folds = prepared()
    one, other = (fit_fold(features, codes, 3, folds[0], s)[1] for s in (Settings(), Settings(**change)))
    assert not np.allclose(one, other)


def test_baselines_are_standardised_whatever_the_scale():
    values = np.random.default_rng(0).normal(size=(24, 4)) * [1, 10, 100, 1000]
    _, codes, folds = prepared()
    baseline = Features("colour", "", values, np.arange(4))
    one, other = (fit_fold(baseline, codes, 3, folds[0], Settings(scale=scale))[1] for scale in ("raw", "common"))
    np.testing.assert_array_equal(one, other)
