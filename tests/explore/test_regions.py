from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.regions import rank_region, region_weights, share_inside
from cytosae_toolkit.interfaces.codes import Codes

GRID = (4, 4)
LEFT = np.zeros(GRID)
LEFT[:, :2] = 1


def codes_of(*maps):
    h = np.stack([np.asarray(each, dtype=np.float32).reshape(-1) for each in maps], axis=1)
    return ImageCodes.of(Codes.from_dense(torch.from_numpy(h)), 0, GRID)


def one_patch():
    heat = np.zeros(GRID)
    heat[0, 0] = 8
    return heat


def test_what_fits_the_region_comes_first():
    everywhere, faint = np.ones(GRID), 1e-6 * LEFT
    found = rank_region(codes_of(everywhere, one_patch(), LEFT, 1 - LEFT, faint), LEFT.reshape(-1))
    assert found.index.tolist()[0] == 2  # fits; then one patch of it; barely active last
    assert found.index.tolist()[-1] == 4
    assert set(found.index) == {1, 2, 4}  # not what fires everywhere or outside
    assert found.loc[2, ["inside", "outside", "share_inside"]].tolist() == [1, 0, 1]
    assert found.loc[1, "inside"] == 1.0


def test_the_score_is_its_definition():
    rng = np.random.default_rng(0)
    h = rng.random((16, 6)) * (rng.random((16, 6)) < 0.5)
    w, v = rng.random(16), rng.random(16)
    found = rank_region(codes_of(*h.astype(np.float32).T), w, v)
    a, b = (w @ h) / w.sum(), (v @ h) / v.sum()
    u = (w + v) / (w + v).sum()
    sigma = np.sqrt(u @ h**2 - (u @ h) ** 2)
    score = (a - b) / (sigma + np.median(sigma))
    expected = [s for s in np.argsort(-score) if a[s] > b[s]]
    assert found.index.tolist() == expected
    np.testing.assert_allclose(found["score"], score[expected], rtol=1e-5)
    np.testing.assert_allclose(found["share_inside"], ((w @ h) / h.sum(axis=0))[expected], rtol=1e-5)


@given(st.floats(1e-3, 1e3))
def test_the_order_does_not_depend_on_the_unit(unit):
    h = np.random.default_rng(1).random((5, 16)) * (np.random.default_rng(2).random((5, 16)) < 0.4)
    first = rank_region(codes_of(*h), LEFT.reshape(-1))
    assert rank_region(codes_of(*(unit * h)), LEFT.reshape(-1)).index.tolist() == first.index.tolist()


def test_two_regions_are_compared_with_each_other_only():
    upper_left, lower_left = np.zeros(GRID), np.zeros(GRID)
    upper_left[:2, :2], lower_left[2:, :2] = 1, 1
    found = rank_region(codes_of(upper_left, LEFT, 1 - LEFT), upper_left.reshape(-1), lower_left.reshape(-1))
    assert found.index.tolist() == [0]


def test_masks_of_patches_and_of_pixels():
    boxes = np.array([[x * 10, y * 10, x * 10 + 10, y * 10 + 10] for y in range(4) for x in range(4)], dtype=float)
    pixels = np.zeros((40, 40), dtype=bool)
    pixels[:, :25] = True
    from_pixels = region_weights(pixels, GRID, (40, 40, 3), boxes).reshape(GRID)
    np.testing.assert_allclose(from_pixels, np.tile([1, 1, 0.5, 0], (4, 1)))
    np.testing.assert_array_equal(region_weights(LEFT > 0, GRID, (40, 40, 3), boxes).reshape(GRID), LEFT)


def test_bad_regions_are_one_sentence():
    boxes = np.array([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(CytosaeError, match=r"shape \[3, 3\], but the image has \[40, 50\] pixels"):
        region_weights(np.ones((3, 3), dtype=bool), GRID, (40, 50, 3), boxes)
    with pytest.raises(CytosaeError, match="covers no patch"):
        region_weights(np.zeros(GRID, dtype=bool), GRID, (40, 50, 3), boxes)
    with pytest.raises(CytosaeError, match="covers the whole image"):
        rank_region(codes_of(LEFT), np.ones(16))


def test_a_silent_image_has_no_ranking():
    assert len(rank_region(codes_of(np.zeros(GRID)), LEFT.reshape(-1))) == 0


def test_share_inside_is_zero_where_a_latent_is_silent():
    share = share_inside(codes_of(LEFT, 1 - LEFT, np.ones(GRID), np.zeros(GRID)), LEFT.reshape(-1))
    assert share.tolist() == [1, 0, 0.5, 0]
