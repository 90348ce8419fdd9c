from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.card.sections import distribution


def test_a_distribution_leaves_undefined_values_out():
    found = distribution(np.array([0.1, 0.2, np.nan, 5.0]), np.array([0.0, 0.15, 1.0]))
    assert (found["n_units"], found["n_defined"]) == (4, 3)
    assert found["histogram"]["counts"] == [1, 2]  # what lies outside counts in the last bin
    assert found["percentiles"]["50"] == 0.2


def test_without_any_value_there_is_no_mean():
    found = distribution(np.array([np.nan]), np.array([0.0, 1.0]))
    assert "mean" not in found
    assert found["histogram"]["counts"] == [0]
