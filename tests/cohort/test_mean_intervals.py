from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from cytosae_toolkit.cohort.mean_intervals import DifferenceBootstrap


def test_limits_are_those_of_many_patients_by_theory():
    rng = np.random.default_rng(0)
    a, b = rng.normal(3, 2, (200, 30)), rng.normal(1, 1, (150, 30))
    low, high = DifferenceBootstrap(200, 150, 4000).intervals(a, b)
    se = np.sqrt(a.var(axis=0, ddof=1) / 200 + b.var(axis=0, ddof=1) / 150)
    centre = a.mean(axis=0) - b.mean(axis=0)
    assert np.allclose(high, centre + norm.ppf(0.975) * se, atol=0.05)
    assert np.allclose(low, centre - norm.ppf(0.975) * se, atol=0.05)


def test_blocks_see_the_same_resamples():
    rng = np.random.default_rng(1)
    a, b = rng.random((8, 6)), rng.random((5, 6))
    bootstrap = DifferenceBootstrap(8, 5, 100, seed=3)
    whole, part = bootstrap.intervals(a, b), bootstrap.intervals(a[:, 2:4], b[:, 2:4])
    assert np.allclose([limit[2:4] for limit in whole], part)
    again, other = (DifferenceBootstrap(8, 5, 100, seed=seed).intervals(a, b) for seed in (3, 4))
    assert np.array_equal(whole, again)
    assert not np.allclose(whole, other)


def test_covers_less_than_it_says_with_ten_patients():
    rng = np.random.default_rng(2)
    low, high = DifferenceBootstrap(10, 10, 500).intervals(rng.normal(size=(10, 4000)), rng.normal(size=(10, 4000)))
    assert ((low <= 0) & (high >= 0)).mean() == pytest.approx(0.92, abs=0.02)


def test_no_resamples_give_no_interval():
    assert np.isnan(DifferenceBootstrap(3, 3, 0).intervals(np.ones((3, 2)), np.ones((3, 2)))).all()
