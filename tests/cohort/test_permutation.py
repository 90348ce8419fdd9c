from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.cross_validation import Settings, cross_validate
from cytosae_toolkit.cohort.features import barcode_features
from cytosae_toolkit.cohort.folds import choose_participants, stratified_folds
from cytosae_toolkit.cohort.permutation import permutation_p, permuted_scores
from cytosae_toolkit.cohort.scores import pooled_scores
from tests.cohort.making import make_barcodes


def test_p_counts_the_permutations_that_reach_the_score():
    assert permutation_p(0.5, np.array([0.1, 0.5, 0.7])) == pytest.approx(3 / 4)
    assert permutation_p(0.9, np.array([0.1, 0.5, 0.7])) == pytest.approx(1 / 4)
    assert permutation_p(0.9, np.zeros(0)) is None


def permuted(seed, n=6):
    cohort = open_cohort(make_barcodes(n_per_disease=5))
    codes = choose_participants(cohort, "disease", 5).codes
    return permuted_scores(
        barcode_features(cohort), codes, 3, n_folds=5, n_repeats=1, n_permutations=n, seed=seed, settings=Settings()
    )


def test_permutations_follow_from_the_seed_and_miss_the_signal():
    one, same, other = permuted(0), permuted(0), permuted(1)
    assert one["weighted_f1"].tolist() == same["weighted_f1"].tolist() != other["weighted_f1"].tolist()
    assert one["balanced_accuracy"].mean() < 0.6


def test_shuffled_labels_are_classified_at_chance():
    """Mean balanced accuracy over 20 seeds within three standard errors of 1 / 3."""
    found = []
    for seed in range(20):
        cohort = open_cohort(make_barcodes(n_per_disease=10, seed=seed))
        codes = np.random.default_rng(seed).permutation(choose_participants(cohort, "disease", 5).codes)
        result = cross_validate(barcode_features(cohort), codes, 3, stratified_folds(codes, 5, 1, seed), Settings())
        found.append(pooled_scores(codes, result.predicted, 3)["balanced_accuracy"])
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - 1 / 3) < 3 * error
