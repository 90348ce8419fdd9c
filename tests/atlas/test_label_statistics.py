from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.label_statistics import label_entropy, label_statistics

from .dense import columns_of
from .worlds import facts_of


def columns(m):
    return columns_of(np.array(m, dtype=float)[:, None, None], 0)


def names(facts, codes):
    return [facts.label_names[code] if code >= 0 else None for code in codes]


def test_entropy_of_two_labels_by_weight():
    facts = facts_of(12, labels=["a"] * 5 + ["b"] * 7)
    found = label_statistics(columns([3] * 5 + [1] * 7), facts)
    p = np.array([15, 5]) / 20
    assert found.entropy[0] == pytest.approx(-(p * np.log(p)).sum())
    assert names(facts, found.dominant) == ["a"] and found.dominant_share[0] == pytest.approx(0.75)
    assert names(facts, found.best) == ["b"] and found.best_precision[0] == pytest.approx(7 / 12)


def test_one_label_has_no_entropy_whatever_is_shuffled():
    found = label_statistics(columns([1] * 12), facts_of(12, labels=["a"] * 12))
    assert found.entropy[0] == 0 and found.entropy_shuffled[0] == 0


def test_shuffled_labels_of_many_kinds():
    facts = facts_of(1000, labels=[str(i) for i in range(1000)])
    found = label_statistics(columns([1] * 1000), facts)
    assert found.entropy_shuffled[0] == pytest.approx(np.log(10))


def test_entropy_is_undefined_below_ten_labelled_references():
    facts = facts_of(12, labels=["a"] * 9 + [None] * 3)
    found = label_statistics(columns([1] * 12), facts)
    assert np.isnan([found.entropy[0], found.entropy_shuffled[0], found.dominant_share[0]]).all()
    assert names(facts, found.dominant) == ["a"]  # which near misses need
    assert found.best_precision[0] == 1


def test_references_without_a_label_make_room_for_the_next():
    facts = facts_of(12, labels=[None, None] + ["a"] * 10)
    assert label_statistics(columns([9, 9] + [1] * 10), facts).entropy[0] == 0


def test_equals_go_to_the_alphabetically_earlier_label():
    facts = facts_of(12, labels=["b", "a"] * 6)
    found = label_statistics(columns([1] * 12), facts)
    assert names(facts, found.dominant) == names(facts, found.best) == ["a"]


def test_groups_count_once():
    groups = [0] * 10 + list(range(1, 11))
    facts = facts_of(20, labels=["a"] * 10 + ["b"] * 10, groups=groups)
    found = label_statistics(columns([1] * 20), facts)
    assert names(facts, found.best) == ["b"] and found.best_precision[0] == pytest.approx(10 / 11)


def test_a_silent_latent_has_no_label():
    found = label_statistics(columns([0] * 12), facts_of(12, labels=["a"] * 12))
    assert found.dominant.tolist() == found.best.tolist() == [-1]
    assert np.isnan([found.entropy[0], found.best_precision[0]]).all()


def test_no_labels_no_statistics():
    assert label_statistics(columns([1] * 3), facts_of(3)) is None


def test_entropy_among_some_images():
    facts = facts_of(24, labels=["a", "b"] * 12)
    assert label_entropy(columns([1] * 24), facts, np.arange(24) % 2 == 0)[0] == 0
    assert label_entropy(columns([1] * 24), facts)[0] == pytest.approx(np.log(2))
