from __future__ import annotations

import numpy as np

from cytosae_toolkit.figures.heat import tint, upsample

BOXES = np.array([[0, 0, 4, 8], [4, 0, 8, 8]], dtype=float)


def test_each_pixel_has_the_activation_of_its_patch():
    pixels = upsample(np.array([[1.0, 2.0]]), BOXES, (9, 8, 3))
    assert (pixels[:8, :4] == 1).all()
    assert (pixels[:8, 4:] == 2).all()
    assert (pixels[8] == 0).all()


def test_patches_that_leave_the_image_are_cut():
    assert upsample(np.array([1.0]), np.array([[-4.0, -4, 2, 2]]), (4, 4)).sum() == 4


def test_active_patches_are_orange_on_white_and_on_dark_and_the_rest_is_grey():
    for shade in (255, 20):
        found = tint(np.full((8, 8, 3), shade, np.uint8), np.array([0.0, 1.0]), BOXES).astype(int)
        assert len(set(found[0, 0].tolist())) == 1
        assert found[0, 7, 0] - found[0, 7, 2] > 120


def test_weak_patches_are_seen():
    found = tint(np.full((8, 8, 3), 255, np.uint8), np.array([0.01, 1.0]), BOXES).astype(int)
    assert 10 < found[0, 0, 0] - found[0, 0, 2] < 60
