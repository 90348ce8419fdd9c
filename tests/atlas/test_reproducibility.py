from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.reproducibility import reproducibility

from .dense import columns_of
from .worlds import facts_of


def icc(m, groups):
    return reproducibility(columns_of(np.array(m, dtype=float)[:, None, None], 0), facts_of(len(m), groups=groups))[0]


PAIRS = np.repeat(np.arange(12), 2)


def test_equal_photographs_of_different_cells():
    assert icc(PAIRS, PAIRS) == 1


def test_photographs_that_differ_more_than_cells():
    assert icc([0, 1] * 12, PAIRS) == pytest.approx(-1)


def test_a_textbook_analysis_of_variance():
    m = np.random.default_rng(0).random((12, 2))
    between = 2 * m.mean(axis=1).var(ddof=1)
    within = m.var(axis=1, ddof=1).mean()
    assert icc(m.ravel(), PAIRS) == pytest.approx((between - within) / (between + within))


def test_single_photographs_do_not_count():
    m = np.random.default_rng(0).random(24)
    assert icc([*m, 50.0], [*PAIRS, 12]) == icc(m, PAIRS)


def test_too_few_cells_or_no_variance_is_undefined():
    assert np.isnan(icc(PAIRS[:18], PAIRS[:18]))
    assert np.isnan(icc(np.ones(24), PAIRS))
    assert np.isnan(icc(np.zeros(24), PAIRS))
