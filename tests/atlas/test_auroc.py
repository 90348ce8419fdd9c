from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.auroc import set_auroc

from .dense import columns_of
from .worlds import facts_of


def measure(m, **facts):
    made = facts_of(len(m), **facts)
    auroc, sets = set_auroc(columns_of(np.array(m, dtype=float)[:, None, None], 0), made)
    return auroc[0], made.set_names[sets[0]] if sets[0] >= 0 else None


def test_a_latent_of_one_set():
    assert measure([1] * 20 + [0] * 20, sets=["a"] * 20 + ["b"] * 20) == (1.0, "a")
    assert measure([0] * 20 + [1] * 20, sets=["a"] * 20 + ["b"] * 20) == (1.0, "b")


def test_ties_count_half():
    auroc, _ = measure([1] * 10 + [0] * 10 + [0] * 20, sets=["a"] * 20 + ["b"] * 20)
    assert auroc == 0.75
    assert measure([0] * 40, sets=["a", "b"] * 20) == (0.5, "a")


def test_a_different_mix_of_labels_is_no_difference_of_sets():
    labels = (["x"] * 18 + ["y"] * 6) + (["x"] * 6 + ["y"] * 18)
    m = [5 if label == "x" else 0 for label in labels]
    sets = ["a"] * 24 + ["b"] * 24
    assert measure(m, sets=sets, labels=labels)[0] == 0.5
    assert measure(m, sets=sets)[0] == 0.75


def test_agrees_with_scikit_learn():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    m, inside = rng.integers(0, 5, 200), rng.random(200) < 0.3
    expected = roc_auc_score(inside, m)
    auroc, _ = measure(m, sets=["a" if i else "b" for i in inside])
    assert auroc == pytest.approx(max(expected, 1 - expected), abs=1e-12)


def test_one_set_or_few_pairs_say_nothing():
    assert np.isnan(measure([1] * 40)[0])
    auroc, name = measure([1, 0] * 9, sets=["a", "b"] * 9)
    assert np.isnan(auroc) and name is None


def test_a_group_counts_with_its_first_image():
    m = [1] * 20 + [0] * 20 + [9] * 20
    groups = [*range(40), *range(20, 40)]
    assert measure(m, sets=["a"] * 20 + ["b"] * 40, groups=groups)[0] == 1.0
