from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control, mannwhitneyu, rankdata

from cytosae_toolkit.cohort.rank_tests import benjamini_hochberg, mann_whitney, mann_whitney_u, smallest_p

rng = np.random.default_rng(0)


def by_enumeration(x: np.ndarray, first: np.ndarray) -> np.ndarray:
    ranks, k = rankdata(x, axis=0), int(first.sum())
    sums = np.array([ranks[list(rows)].sum(axis=0) for rows in itertools.combinations(range(len(x)), k)])
    found = ranks[first].sum(axis=0)
    tails = (sums <= found + 1e-9).mean(axis=0), (sums >= found - 1e-9).mean(axis=0)
    return np.minimum(1, 2 * np.minimum(*tails))


@pytest.mark.parametrize(("n_a", "n_b"), [(8, 12), (12, 8), (2, 3)])
def test_without_ties_it_is_scipys_exact_test(n_a, n_b):
    x, first = rng.normal(size=(n_a + n_b, 50)), np.arange(n_a + n_b) < n_a
    found, expected = mann_whitney(x, first), mannwhitneyu(x[first], x[~first], method="exact")
    assert found.exact.all()
    assert np.allclose(found.p, expected.pvalue, rtol=1e-10, atol=0)
    assert np.array_equal(found.u, expected.statistic)


@settings(max_examples=30, deadline=None)
@given(arrays(np.int64, (9, 3), elements=st.integers(0, 3)), st.integers(1, 8))
def test_with_ties_it_is_what_enumeration_gives(x, n_a):
    first = np.isin(np.arange(9), np.random.default_rng(n_a).permutation(9)[:n_a])
    assert np.allclose(mann_whitney(x.astype(float), first).p, by_enumeration(x, first))


def test_large_groups_take_the_normal_approximation_with_both_corrections():
    x = rng.normal(size=(160, 20)).round(1)
    first = np.arange(160) < 70
    found, expected = mann_whitney(x, first), mannwhitneyu(x[first], x[~first], method="asymptotic")
    assert not found.exact.any()
    assert np.allclose(found.p, expected.pvalue)


def test_a_rare_latent_of_a_small_group_is_exact_where_the_approximation_fails():
    x = np.zeros((189, 1))
    x[:3, 0] = [1, 2, 3]
    first = np.arange(189) < 10
    found = mann_whitney(x, first)
    assert found.exact[0]
    assert found.p[0] == pytest.approx(2 * (10 * 9 * 8) / (189 * 188 * 187))
    assert mannwhitneyu(x[first], x[~first]).pvalue[0] < 1e-12


def test_costly_tests_are_exact_only_where_they_may_matter():
    x, first = rng.normal(size=(150, 200)), np.arange(150) < 20
    x[first, :20] += 1
    found = mann_whitney(x, first)
    assert found.exact[:10].any()
    assert not found.exact[found.p > 0.15].any()
    exact = mannwhitneyu(x[first][:, found.exact], x[~first][:, found.exact], method="exact").pvalue
    assert np.allclose(found.p[found.exact], exact, rtol=1e-8)


def test_p_and_u_do_not_depend_on_which_group_is_first():
    x, first = rng.poisson(1.0, (20, 30)).astype(float), np.arange(20) < 6
    one, other = mann_whitney(x, first), mann_whitney(x, ~first)
    assert np.allclose(one.p, other.p)
    assert np.allclose(one.u + other.u, 6 * 14)
    assert np.array_equal(mann_whitney_u(x, first), one.u)


def test_p_is_uniform_under_no_difference():
    x, first = rng.normal(size=(24, 4000)), np.arange(24) < 11
    p = mann_whitney(x, first).p
    for level in (0.01, 0.05, 0.5):
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 4000) + 0.002


def test_smallest_p_is_reached_by_groups_that_do_not_overlap():
    assert smallest_p(5, 5) == pytest.approx(2 / 252)
    assert smallest_p(2, 2) == pytest.approx(1 / 3)
    assert smallest_p(1, 1) == 1
    x = np.arange(10.0)[:, None]
    assert mann_whitney(x, np.arange(10) < 5).p[0] == pytest.approx(smallest_p(5, 5))
    assert 0 < smallest_p(40, 149) < 1e-40


def test_benjamini_hochberg_is_scipys():
    p = rng.random(200) ** 3
    assert np.allclose(benjamini_hochberg(p), false_discovery_control(p))
    assert benjamini_hochberg(np.array([0.5, 0.01, 0.02])).tolist() == pytest.approx([0.5, 0.03, 0.03])
