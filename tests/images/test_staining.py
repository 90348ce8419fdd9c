from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cytosae_toolkit.images import staining
from cytosae_toolkit.images.staining import (
    above_surroundings,
    background_colour,
    chromatin,
    haemoglobin,
    local_background,
    optical_density,
)

EMPTY, RED_CELL, NUCLEUS = (230, 225, 235), (200, 130, 130), (90, 50, 150)


def smear(cast: tuple[float, float, float] = (1, 1, 1)) -> np.ndarray:
    """A quarter red cells, a ninth nucleus, the rest empty; under a lamp of some colour."""
    image = np.full((60, 60, 3), EMPTY, dtype=float)
    image[:30, :30] = RED_CELL
    image[40:, 40:] = NUCLEUS
    return (image * cast).round().astype(np.uint8)


def test_background_is_the_colour_of_the_empty_place() -> None:
    np.testing.assert_allclose(background_colour(smear()), EMPTY)


def test_chromatin_tells_nuclei_and_haemoglobin_red_cells() -> None:
    density = optical_density(smear(), background_colour(smear()))
    amount, yellow = chromatin(density), haemoglobin(density)
    assert amount[50, 50] > 1 > 5 * abs(amount[10, 10])
    assert abs(amount[50, 10]) < 0.01
    assert yellow[10, 10] > 0.4 > 2 * max(yellow[50, 50], yellow[50, 10])


def test_a_coloured_lamp_changes_little() -> None:
    plain, yellow = smear(), smear((1, 0.95, 0.6))
    reference = chromatin(optical_density(plain, background_colour(plain)))
    other = chromatin(optical_density(yellow, background_colour(yellow)))
    assert np.abs(reference - other).max() < 0.08


def test_local_background_follows_uneven_lighting() -> None:
    lamp = np.linspace(0.5, 1, 240)[None, :, None]
    image = (np.full((160, 240, 3), EMPTY) * lamp).astype(np.uint8)
    image[60:80, 100:120] = NUCLEUS
    found = local_background(image, 100)
    assert found.shape == image.shape
    centre = np.s_[30:130, 60:180]
    assert np.abs(found[centre] / (np.array(EMPTY) * lamp)[:, 60:180] - 1).max() < 0.15


def test_above_surroundings_removes_what_is_everywhere() -> None:
    values = np.full((80, 120), 3, dtype=np.float32)
    values[40:44, 60:64] += 1
    found = above_surroundings(values, 60)
    assert np.allclose(found[42, 62], 1) and np.allclose(found[10, 10], 0)


@pytest.mark.parametrize("n_rows", [1, 17, 60])
@pytest.mark.parametrize("percentile", [50, 85])
def test_the_percentile_of_surroundings_is_that_of_scipy_and_can_be_stopped(n_rows: int, percentile: int) -> None:
    values = np.random.default_rng(0).random((n_rows, 40)).astype(np.float32)
    steps: list[int] = []
    found = staining._percentile(values, percentile, 19, lambda: steps.append(1))
    assert np.array_equal(found, ndimage.percentile_filter(values, percentile, 19, mode="nearest"))
    assert len(steps) == -(-n_rows // staining._STEP)
