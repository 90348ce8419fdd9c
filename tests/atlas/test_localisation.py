from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_toolkit.atlas.localisation import (
    OverlapAccumulator,
    localise,
    patch_coverage,
    weighted_average_precision,
)

FINE = 8
"""Boxes with edges at multiples of 1/8 of a pixel are sampled exactly."""


def supersampled(mask: np.ndarray, box: np.ndarray) -> float:
    """The share of a box that a mask covers, counted on a grid 8 times as fine; outside of the image is no mask."""
    x0, y0, x1, y1 = np.round(box * FINE).astype(int)
    fine = np.kron(mask, np.ones((FINE, FINE)))
    padded = np.pad(fine, 100 * FINE)
    return float(padded[y0 + 100 * FINE : y1 + 100 * FINE, x0 + 100 * FINE : x1 + 100 * FINE].mean())


edges = st.integers(-3 * FINE, 15 * FINE)


@settings(max_examples=60, deadline=None)
@given(
    mask=st.lists(st.booleans(), min_size=12 * 9, max_size=12 * 9),
    xs=st.tuples(edges, edges).filter(lambda ends: ends[0] < ends[1]),
    ys=st.tuples(edges, edges).filter(lambda ends: ends[0] < ends[1]),
)
def test_coverage_of_fractional_boxes_is_exact(mask, xs, ys):
    grid = np.array(mask).reshape(9, 12)
    box = np.array([xs[0], ys[0], xs[1], ys[1]]) / FINE
    assert patch_coverage(grid, box[None])[0] == pytest.approx(supersampled(grid, box), abs=1e-9)


def test_coverage_of_whole_patches():
    mask = np.zeros((4, 6), dtype=bool)
    mask[:2, :3] = True
    boxes = np.array([[0, 0, 3, 2], [3, 0, 6, 2], [0, 1, 3, 3], [2, 0, 4, 2]], dtype=float)
    assert patch_coverage(mask, boxes).tolist() == [1.0, 0.0, 0.5, 0.5]


def test_a_patch_smaller_than_a_pixel():
    mask = np.array([[True, False]])
    assert patch_coverage(mask, np.array([[0.25, 0.25, 0.5, 0.5], [0.75, 0, 1.25, 1]])).tolist() == [1.0, 0.5]


PIXELS = 20
"""Pixels of a patch in brute-force computations; coverages are multiples of 1/20."""


@pytest.fixture
def patches():
    rng = np.random.default_rng(0)
    h = np.maximum(rng.normal(size=(60, 4)), 0) * [1, 2, 3, 0]  # the last unit never fires
    h[:, 1] = np.round(h[:, 1])  # with ties
    coverage = rng.integers(0, PIXELS + 1, (60, 3)) / PIXELS
    coverage[:20] = 0
    coverage[:, 2] = 0  # an empty mask
    return h, coverage


def per_pixel(h: np.ndarray, coverage: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each patch as 20 pixels: its activation spread evenly, its mask as pixels."""
    inside = np.arange(PIXELS) < np.round(coverage * PIXELS)[:, None]
    return np.repeat(h, PIXELS), inside.ravel()


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Σ precision · Δrecall over the distinct scores, from the definition."""
    found, before = 0.0, 0.0
    for score in np.unique(scores)[::-1]:
        chosen = scores >= score
        recall = truth[chosen].sum() / truth.sum()
        found += truth[chosen].mean() * (recall - before)
        before = recall
    return found


def test_every_number_equals_its_definition_per_pixel(patches):
    h, coverage = patches
    for unit in range(4):
        for mask in range(2):
            scores, truth = per_pixel(h[:, unit], coverage[:, mask])
            found = localise(h[:, unit], coverage[:, mask], unit)
            assert found.unit == unit
            assert found.area_share == pytest.approx(truth.mean())
            assert found.recall == pytest.approx((scores[truth] > 0).mean())
            assert found.average_precision == pytest.approx(average_precision(scores, truth))
            assert found.density == pytest.approx((h[:, unit] > 0).mean())
            share = scores[truth].sum() / scores.sum() if scores.sum() else 0
            assert found.share_inside == pytest.approx(share)


def test_a_unit_without_preference_reaches_the_area_share(patches):
    _, coverage = patches
    found = localise(np.ones(60), coverage[:, 0])
    assert found.share_inside == pytest.approx(found.area_share)
    assert found.average_precision == pytest.approx(found.area_share)
    assert found.recall == 1


def test_a_unit_that_never_fires_and_an_empty_mask_give_zeros(patches):
    h, coverage = patches
    silent = localise(h[:, 3], coverage[:, 0])
    assert (silent.share_inside, silent.recall, silent.density) == (0, 0, 0)
    empty = localise(h[:, 0], coverage[:, 2])
    assert (empty.share_inside, empty.area_share, empty.recall, empty.average_precision) == (0, 0, 0, 0)


def test_a_perfect_unit():
    coverage = np.array([1.0, 1.0, 0.0, 0.0])
    found = localise(np.array([2.0, 1.0, 0.0, 0.0]), coverage)
    assert (found.share_inside, found.recall, found.average_precision, found.area_share) == (1, 1, 1, 0.5)
    assert weighted_average_precision(np.array([0.0, 0.0, 1.0, 2.0]), coverage) == 0.5  # no better than chance


def accumulated(h, coverage, cuts=()):
    overlap = OverlapAccumulator(h.shape[1], coverage.shape[1])
    for part, its_coverage in zip(np.split(h, cuts), np.split(coverage, cuts), strict=True):
        overlap.update(part, its_coverage)
    return overlap


def test_many_units_at_once_are_each_alone(patches):
    h, coverage = patches
    overlap = accumulated(h, coverage)
    for unit in range(4):
        for mask in range(3):
            one = localise(h[:, unit], coverage[:, mask])
            assert overlap.share_inside[unit, mask] == pytest.approx(one.share_inside)
            assert overlap.recall[unit, mask] == pytest.approx(one.recall)
            assert overlap.area_share[mask] == pytest.approx(one.area_share)
            assert overlap.density[unit] == pytest.approx(one.density)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=4).map(sorted))
def test_image_by_image_is_all_at_once(cuts):
    rng = np.random.default_rng(1)
    h, coverage = np.maximum(rng.normal(size=(60, 3)), 0).astype(np.float32), rng.random((60, 2))
    whole, parts = accumulated(h, coverage), accumulated(h, coverage, cuts)
    np.testing.assert_allclose(parts.share_inside, whole.share_inside)
    np.testing.assert_allclose(parts.recall, whole.recall)


def test_the_best_unit_balances_share_and_recall():
    coverage = np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
    h = np.array([
        [0, 9, 1, 1, 1],  # never fires, one patch only, everywhere, all and only the mask, the same again
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 0, 0],
    ], dtype=float)  # fmt: skip
    overlap = accumulated(h, coverage)
    assert overlap.match()[:, 0] == pytest.approx([0, 0.5, 2 / 3, 1, 1])
    assert overlap.best(0) == 3  # the lowest among equals


def test_without_patches_nothing_divides_by_zero():
    overlap = OverlapAccumulator(2, 1)
    assert not overlap.match().any()
    assert (overlap.area_share[0], overlap.density[0]) == (0, 0)
