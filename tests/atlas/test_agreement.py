from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from cytosae_toolkit.atlas.agreement import agreement


def test_rank_correlation_over_latents_that_fire_somewhere():
    rng = np.random.default_rng(0)
    a, b = rng.random(50), rng.random(50)
    a[:10], b[5:15] = 0, 0
    (found,) = agreement({"a": a, "b": b})
    fires = (a > 0) | (b > 0)
    assert found.rank_correlation == pytest.approx(spearmanr(a[fires], b[fires]).statistic)
    assert (found.first, found.second) == ("a", "b")


def test_overlap_above_the_threshold():
    a, b = np.array([1, 1, 1e-4, 0, np.nan]), np.array([1, 1e-3, 1, 1, 1])
    (found,) = agreement({"a": a, "b": b})
    assert (found.n_first, found.n_second, found.n_both) == (2, 4, 1)  # 10⁻³ itself is not above
    assert found.overlap == pytest.approx(1 / 5)
    (low,) = agreement({"a": a, "b": b}, threshold=-5)
    assert (low.n_first, low.n_second, low.n_both) == (3, 5, 3)


def test_every_two_sets():
    found = agreement({name: np.ones(3) for name in "abc"})
    assert [(pair.first, pair.second) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_nothing_to_compare_is_undefined():
    (found,) = agreement({"a": np.zeros(3), "b": np.zeros(3)})
    assert np.isnan(found.rank_correlation) and np.isnan(found.overlap)
    (flat,) = agreement({"a": np.ones(3), "b": np.arange(3.0)})
    assert np.isnan(flat.rank_correlation)
    assert agreement({"a": np.ones(3)}) == []
