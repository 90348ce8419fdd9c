from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.atlas.card.probes import (
    best_features,
    dense,
    k_sparse,
    labelled,
    most_frequent,
    probe,
    probe_all,
    probe_components,
)


def images(n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three classes; features 0, 1 and 2 each mark one, the other 37 are noise."""
    rng = np.random.default_rng(seed)
    labels = np.array([f"class {i % 3}" for i in range(n)], dtype=object)
    features = rng.exponential(size=(n, 40)).astype(np.float32)
    features[np.arange(n), np.arange(n) % 3] += 5
    return features, labels, np.array([f"g{i}" for i in range(n)])


def test_one_feature_per_class_is_enough_where_it_marks_it():
    features, labels, groups = images()
    data = labelled(labels, groups)
    one = probe(features, data, k_sparse(1))
    assert one.weighted_f1 > 0.85
    assert one.balanced_accuracy > 0.85
    assert probe(features, data, most_frequent).balanced_accuracy == pytest.approx(1 / 3)
    assert probe(features[:, 3:], data, dense).weighted_f1 < 0.6


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_the_features_with_the_largest_standardised_difference_are_chosen(form):
    features, labels, _ = images()
    names = np.unique(labels.astype(str))
    features = features * np.where(np.arange(40) > 20, 1000, 1)  # scale is no merit
    found = best_features(form(features), labels.astype(str), names, 1)
    assert [row.tolist() for row in found] == [[0], [1], [2]]
    features[:, 5] = 7  # constant: says nothing
    assert 5 not in best_features(form(features), labels.astype(str), names, 39)[0]


def test_sparse_matrices_give_what_dense_ones_give():
    features, labels, groups = images()
    features *= np.random.default_rng(1).random(features.shape) < 0.5
    data = labelled(labels, groups)
    for predict in (k_sparse(5), dense):
        a, b = probe(features, data, predict), probe(sparse.csr_array(features), data, predict)
        assert a.weighted_f1 == pytest.approx(b.weighted_f1, abs=0.02)


def test_choice_and_scaling_see_the_training_folds_alone():
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b"] * 30, dtype=object)
    noise = rng.normal(size=(60, 2000))  # some feature fits any labels, if it may look at the test images
    data = labelled(labels, np.arange(60).astype(str))
    scores = [probe(noise, data, k_sparse(20)).balanced_accuracy, probe(noise, data, dense).balanced_accuracy]
    assert max(scores) < 0.75


def test_groups_stay_on_one_side_and_rare_classes_are_left_out():
    labels = np.array([*["a", "b"] * 20, *["rare"] * 6, None], dtype=object)
    groups = np.array([*(f"g{i // 4}" for i in range(40)), *["one"] * 3, *["two"] * 3, "none"])
    data = labelled(labels, groups)
    assert data.left_out == ("rare",)
    assert len(data.folds) == 5
    assert len(data.rows) == 40
    for train, test in data.folds:
        assert not set(groups[data.rows[train]]) & set(groups[data.rows[test]])


def test_fewer_folds_where_groups_are_few():
    labels = np.array(["a"] * 6 + ["b"] * 3, dtype=object)
    groups = np.arange(9).astype(str)
    assert len(labelled(labels, groups).folds) == 3
    assert labelled(labels, np.array(["x"] * 6 + ["y"] * 3)) is None
    assert labelled(np.array(["a"] * 9, dtype=object), groups) is None
    assert labelled(np.full(9, None, dtype=object), groups) is None


def test_all_probes_of_several_matrices():
    features, labels, groups = images(45)
    data = labelled(labels, groups)
    found = probe_all({"x": features, "few": features[:, :3]}, data, ks=(1, 5))
    assert {name: list(scores) for name, scores in found.items()} == {
        "x": ["k=1", "k=5", "dense"],
        "few": ["k=1", "dense"],
    }


def test_components_are_fitted_in_the_folds():
    features, labels, groups = images(150)
    features[:, :3] *= 10  # so that the leading components are the marks
    data = labelled(labels, groups)
    found = probe_components(features, data, ks=(2,))
    assert list(found) == ["k=2"]
    assert found["k=2"].weighted_f1 > 0.8
