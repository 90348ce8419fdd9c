from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.thresholds import count_above


def test_latents_strictly_above_a_threshold_are_counted():
    means = np.array([1e-2, 1.1e-2, 0.5, 2.0, 0.0, np.nan])
    assert count_above(means) == {-4: 4, -3: 4, -2: 3, -1: 2}


def test_thresholds_of_your_choice():
    assert count_above(np.array([0.5, 2.0], dtype=np.float32), [0, -0.5]) == {0: 1, -0.5: 2}
