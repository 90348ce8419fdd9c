from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cytosae_toolkit.images.nuclei import RED_CELL, contrast_of, find_nuclei, is_nucleus

SIDE = 8 * RED_CELL


def stain_of(*disks: tuple[float, float, float]) -> np.ndarray:
    """Chromatin of disks given by x, y and radius in red cells."""
    y, x = np.mgrid[:SIDE, :SIDE] / RED_CELL
    found = np.zeros((SIDE, SIDE), np.float32)
    for x0, y0, radius in disks:
        found[np.hypot(x - x0, y - y0) < radius] = 1.0
    return found


def labels_of(stain: np.ndarray) -> np.ndarray:
    bumps = ndimage.gaussian_filter(stain, 0.25 * RED_CELL)
    return find_nuclei(ndimage.uniform_filter(stain, 3), bumps, 0.3, lambda: None)


def test_each_nucleus_has_a_label():
    stain = stain_of((2, 2, 0.7), (6, 5, 0.7))
    labels = labels_of(stain)
    first, second = labels[2 * RED_CELL, 2 * RED_CELL], labels[5 * RED_CELL, 6 * RED_CELL]
    assert len({0, int(first), int(second)}) == 3
    assert ((labels > 0) == (stain > 0)).mean() > 0.98


def test_lobes_of_one_nucleus_are_joined():
    lobed = labels_of(stain_of((3, 4, 0.35), (3.8, 4, 0.35), (3.4, 4.6, 0.35)))
    assert len(np.unique(lobed[lobed > 0])) == 1


def test_platelets_are_no_bump():
    assert not labels_of(stain_of((2, 2, 0.12))).any()


def test_the_height_follows_the_picture():
    density = np.zeros((20, 20, 3), np.float32)
    assert contrast_of(density, np.zeros((20, 20), np.float32)) == 0.3
    density[5:15, 5:15, 1] = 2.0
    assert contrast_of(density, np.zeros((20, 20), np.float32)) == pytest.approx(0.8)
    assert contrast_of(density, np.full((20, 20), 5, np.float32)) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("red", "green", "side", "score", "at_border", "expected"),
    [
        (0.8, 1.0, 20, 3.0, False, True),
        (0.1, 1.0, 20, 3.0, False, False),  # no chromatin colour
        (0.8, 0.2, 20, 3.0, False, True),
        (0.8, 0.2, 20, 1.0, False, False),  # faint and greenish
        (0.8, 1.0, 10, 3.0, False, False),  # small
        (0.8, 1.0, 10, 3.0, True, True),  # but cut by the border
    ],
)
def test_size_and_colour_of_a_nucleus(red, green, side, score, at_border, expected):
    density = np.broadcast_to(np.array([red, green, 0.0], np.float32), (side, side, 3))
    assert is_nucleus(np.ones((side, side), bool), density, score, at_border) is expected
