from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.references import top_references

from .dense import columns_of
from .worlds import facts_of


def columns(*m):
    """One latent with these image means; the image has one patch."""
    return columns_of(np.array(m, dtype=float)[:, None, None], 0)


def test_a_group_appears_once_with_its_best_image():
    found = top_references(columns(1, 3, 2, 3, 0), facts_of(5, groups=[0, 1, 0, 1, 2]), 3)
    assert found.rows.tolist() == [[1, 2, -1]]
    np.testing.assert_array_equal(found.values, [[3, 2, np.nan]])
    assert found.peaks.tolist() == [[0, 0, -1]]
    assert found.counts.tolist() == [2]


def test_equals_come_in_the_order_of_rows():
    assert top_references(columns(2, 5, 2, 2), facts_of(4), 3).rows.tolist() == [[1, 0, 2]]


def test_a_large_group_does_not_crowd_others_out():
    found = top_references(columns(9, 8, 7, 6, 5, 1), facts_of(6, groups=[0, 0, 0, 0, 0, 1]), 2)
    assert found.rows.tolist() == [[0, 5]]


def test_only_some_images_may_be_references():
    allowed = np.array([False, True, True])
    assert top_references(columns(9, 1, 2), facts_of(3), 2, allowed).rows.tolist() == [[2, 1]]


def test_distinct_patients_leave_out_those_unknown():
    found = top_references(columns(5, 4, 3, 2, 1), facts_of(5), 4)
    assert found.distinct(np.array([7, -1, 7, 2, 9])).tolist() == [2]


def test_no_activation_no_references():
    found = top_references(columns(0, 0), facts_of(2), 2)
    assert found.rows.tolist() == [[-1, -1]] and np.isnan(found.values).all()
