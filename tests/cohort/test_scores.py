from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from cytosae_toolkit.cohort.scores import (
    bootstrap_scores,
    confusion,
    fold_spread,
    interval,
    per_class,
    pooled_scores,
    resampling,
    scores_of,
)

RNG = np.random.default_rng(0)
TRUTH, PREDICTED = RNG.integers(0, 4, 60), RNG.integers(0, 4, 60)


def test_scores_are_those_of_scikit_learn():
    found = scores_of(confusion(TRUTH, PREDICTED, 4))
    assert found["weighted_f1"] == pytest.approx(metrics.f1_score(TRUTH, PREDICTED, average="weighted"))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(TRUTH, PREDICTED, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(TRUTH, PREDICTED))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(TRUTH, PREDICTED))
    expected = metrics.precision_recall_fscore_support(TRUTH, PREDICTED)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(per_class(confusion(TRUTH, PREDICTED, 4))[name], values)


def test_classes_without_patients_count_nowhere():
    found = scores_of(confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), 4))
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)


def test_bootstrap_equals_scores_of_resampled_patients():
    predicted = np.stack([PREDICTED, TRUTH])
    weights = resampling(60, 3, seed=1)
    assert (weights.sum(axis=1) == 60).all()
    samples = bootstrap_scores(TRUTH, predicted, 4, weights)
    for b in range(3):
        drawn = np.repeat(np.arange(60), weights[b])
        expected = pooled_scores(TRUTH[drawn], predicted[:, drawn], 4)
        assert {name: values[b] for name, values in samples.items()} == pytest.approx(expected)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        right = np.random.default_rng(seed).random(60) < 0.8
        truth = np.arange(60) % 2
        predicted = np.where(right, truth, 1 - truth)
        samples = bootstrap_scores(truth, predicted[None], 2, resampling(60, 300, seed))["accuracy"]
        limits = interval(samples, float(right.mean()))
        covered += limits.low <= 0.8 <= limits.high
    assert 0.88 <= covered / 200 <= 0.99


def test_spread_and_empty_samples():
    assert fold_spread([0.5, 0.7]) == pytest.approx((0.6, np.sqrt(0.02)))
    assert np.isnan(fold_spread([0.5])[1])
    assert np.isnan(interval(np.zeros(0), 0.5).low)
