from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from cytosae_toolkit.atlas.card import monosemanticity as module
from cytosae_toolkit.atlas.card.monosemanticity import monosemanticity, unit_rows, without_preference


def by_definition(a: np.ndarray, embeddings: np.ndarray) -> float:
    """All pairs, one by one."""
    a, above, below = a - a.min(), 0.0, 0.0
    for i, e in enumerate(embeddings):
        for j, f in enumerate(embeddings):
            if i != j:
                above += a[i] * a[j] * (e @ f) / np.linalg.norm(e) / np.linalg.norm(f)
                below += a[i] * a[j]
    return above / below


@pytest.mark.parametrize("at_once", [4, 1000])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_the_closed_form_is_the_definition(monkeypatch, at_once, form):
    monkeypatch.setattr(module, "IMAGES_AT_ONCE", at_once)
    monkeypatch.setattr(module, "UNITS_AT_ONCE", 3)
    rng = np.random.default_rng(0)
    a = rng.exponential(size=(13, 7)) * (rng.random((13, 7)) < 0.5)
    a[:, 0] += 2  # never silent, so that its least activation counts
    embeddings = rng.normal(size=(13, 4)).astype(np.float32)
    found = monosemanticity(form(a.astype(np.float32)), embeddings)
    expected = [by_definition(column, embeddings.astype(float)) for column in a.astype(np.float32).astype(float).T]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_it_is_undefined_where_no_pair_is():
    embeddings = np.eye(3)
    a = np.array([[0, 1, 2, 1], [0, 0, 2, 1], [0, 0, 2, 0]])
    assert np.isnan(monosemanticity(a, embeddings)).tolist() == [True, True, True, False]


def test_images_alike_give_one_and_opposite_ones_minus_one():
    a = np.array([[1, 1], [1, 0], [0, 1]])
    assert monosemanticity(a, np.array([[1.0, 0], [2, 0], [-3, 0]])).tolist() == [1, -1]


def test_without_preference_is_the_mean_cosine_of_pairs():
    embeddings = np.random.default_rng(0).normal(size=(9, 3))
    cosines = unit_rows(embeddings) @ unit_rows(embeddings).T
    assert without_preference(embeddings) == pytest.approx(cosines[~np.eye(9, dtype=bool)].mean())
    assert np.isnan(without_preference(embeddings[:1]))


def test_zeros_have_no_direction():
    assert unit_rows(np.array([[0.0, 0], [0, 3]])).tolist() == [[0, 0], [0, 1]]
