from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.card import stability as module
from cytosae_toolkit.atlas.card.stability import stability

ROWS = np.random.default_rng(0).normal(size=(30, 64))


@pytest.mark.parametrize(("limit", "matching"), [(4096, "hungarian"), (10, "mutual nearest neighbours")])
def test_the_same_latents_in_another_order_and_length_are_stable(monkeypatch, limit, matching):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 7)
    found = stability(ROWS, 3 * ROWS[::-1], limit=limit)
    assert found.matching == matching
    assert (found.n_first, found.n_second) == (30, 30)
    assert found.mean_max_cosine == pytest.approx(1)
    assert found.matched_share == pytest.approx(1)


@pytest.mark.parametrize("limit", [4096, 10])
def test_half_of_the_latents_are_shared(limit):
    other = np.concatenate([ROWS[:15], np.random.default_rng(1).normal(size=(25, 64))])
    found = stability(ROWS, other, limit=limit)
    assert found.matched_share == pytest.approx(0.5)
    assert 0.5 < found.mean_max_cosine < 0.8
    assert found.mean_max_cosine_back < found.mean_max_cosine  # the other has more of its own


def test_two_latents_cannot_be_matched_with_one():
    both = np.array([[1.0, 0], [1, 0]])
    apart = np.array([[1.0, 0], [0, 1]])
    assert stability(both, apart).matched_share == 0.5
    assert stability(both, apart, limit=1).matched_share == 0.5


def test_without_latents_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="no live latents"):
        stability(ROWS, ROWS[:0])
