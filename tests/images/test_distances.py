from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cytosae_toolkit.images.distances import distance_inside


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 7), (96, 96), (33, 130)])
def test_distances_are_scipys_to_the_bit(shape, share):
    mask = np.random.default_rng(0).random(shape) < share
    mask[-1, 0] = False
    assert np.array_equal(distance_inside(mask), ndimage.distance_transform_edt(mask))


def test_smooth_masks_and_other_layouts():
    y, x = np.mgrid[:96, :80]
    mask = np.hypot(y - 50, x - 30) < 28
    assert np.array_equal(distance_inside(mask), ndimage.distance_transform_edt(mask))
    assert np.array_equal(distance_inside(mask.T), ndimage.distance_transform_edt(mask.T))
