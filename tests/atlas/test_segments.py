from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.segments import LAST, divide, rank_keys, rank_within, starts, total


def test_runs_of_equal_values():
    key = np.array([3, 3, 5, 5, 5, 3])
    assert starts(key).tolist() == [True, False, True, False, False, True]
    assert rank_within(key).tolist() == [0, 1, 0, 1, 2, 0]
    assert rank_within(key[:0]).tolist() == []


def test_rank_keys_put_the_largest_value_first_and_nan_last():
    value = np.array([1.0, np.nan, 2.0, 0.0, 2.0, -1.0, 1e-30, np.inf], dtype=np.float32)
    keys = rank_keys(value, np.arange(8))
    assert np.argsort(keys).tolist() == [7, 2, 4, 0, 6, 1, 3, 5]
    assert (keys < LAST).all()


def test_totals_run_one_after_the_other():
    weights = np.array([1.0, 1e-16, 1e-16, -1.0])
    assert total(np.zeros(4, dtype=np.int64), weights, 2).tolist() == [0.0, 0.0]
    assert total(np.array([1, 1]), np.array([1, 2]), 2).tolist() == [0.0, 3.0]


def test_division_by_nothing_is_undefined():
    np.testing.assert_array_equal(divide(np.array([1, 0, 2]), np.array([2, 0, -1])), [0.5, np.nan, np.nan])
