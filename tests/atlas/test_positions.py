from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.positions import PatchTotals, border_share, off_centre, position_r2, ring

from .dense import columns_of
from .worlds import facts_of


def totals(patches: np.ndarray, shape: tuple[int, ...], bins: np.ndarray | None = None) -> PatchTotals:
    """Totals of one latent with h [images, patches]; bins say which position each patch belongs to."""
    bins = np.arange(patches.shape[1]) if bins is None else bins
    return PatchTotals(
        position_sum=np.bincount(bins, patches.sum(axis=0) * 2**30).astype(np.int64)[:, None],
        shape=shape,
        patches=np.bincount(bins),
        square_sum=np.square(patches).sum(keepdims=True)[0],
        active_patches=(patches > 0).sum(keepdims=True),
        active_tokens=(patches > 0).sum(keepdims=True)[0] + 1,
        n_images=np.array([len(patches)]),
        prefix_tokens=1,
    )


def n_active(patches):
    return np.array([(patches.max(axis=1) > 0).sum()])


def test_a_latent_at_one_place_is_explained_by_position_however_rare():
    h = np.zeros((50, 16))
    h[:4, 3] = 2
    assert position_r2(totals(h, (4, 4)), n_active(h))[0] == pytest.approx(1)


def test_a_latent_anywhere_is_not():
    h = np.random.default_rng(0).random((200, 16))
    assert position_r2(totals(h, (4, 4)), n_active(h))[0] < 0.01


def test_positions_of_several_patches():
    h, bins = np.random.default_rng(0).random((20, 6)) + np.arange(6), np.array([0, 0, 1, 1, 2, 2])
    values, cell_means = h.ravel(), np.array([h[:, bins == b].mean() for b in bins])
    r2 = 1 - np.square(h - cell_means).sum() / np.square(values - values.mean()).sum()
    found = position_r2(totals(h, (3,), bins), n_active(h))[0]
    assert found == pytest.approx(1 - (1 - r2) * (120 - 1) / (120 - 3))


def test_silent_latents_and_too_few_patches_are_undefined():
    assert np.isnan(position_r2(totals(np.zeros((5, 4)), (2, 2)), np.array([0]))[0])
    one = np.array([[0.0, 1, 2, 3]])
    assert np.isnan(position_r2(totals(one, (2, 2)), np.array([1]))[0])
    assert np.isnan(border_share(totals(np.zeros((5, 4)), (2, 2)))[0])


def test_the_border_is_the_outermost_ring():
    h = np.zeros((2, 16))
    h[0, 5], h[1, 0] = 1, 3
    found = totals(h, (4, 4))
    assert border_share(found)[0] == 0.75
    assert ring((3, 3)).tolist() == [True] * 4 + [False] + [True] * 4


def test_densities():
    h = np.zeros((2, 4))
    h[0, 1] = 1
    found = totals(h, (2, 2))
    assert found.density.tolist() == [1 / 8]
    assert found.density_tokens.tolist() == [2 / 10]
    assert found.density_in(0).tolist() == [1 / 8]


def peaks_at(*places: tuple[int, int]) -> float:
    """`off_centre` of a latent that fires on one patch of a 5 x 5 grid in each image."""
    h = np.zeros((len(places), 25, 1))
    h[np.arange(len(places)), [5 * row + column for row, column in places]] = 1
    return off_centre(columns_of(h, 0), facts_of(len(places)), (5, 5))[0]


def test_peaks_at_one_place_along_an_edge_or_about_the_centre():
    assert peaks_at(*[(0, 0)] * 10) == pytest.approx(1)
    assert peaks_at(*[(4, column) for column in (0, 1, 2, 3, 4)] * 4) == pytest.approx(4 / 6)
    assert peaks_at(*[(1, 1), (1, 3), (3, 1), (3, 3), (2, 2)] * 4) == pytest.approx(0)


def test_peaks_in_the_centre_or_too_few_say_nothing():
    assert np.isnan(peaks_at(*[(2, 2)] * 20))
    assert np.isnan(peaks_at(*[(0, 0)] * 9))


def test_only_the_best_references_are_asked():
    h = np.zeros((60, 25, 1))
    h[:20, 0], h[20:, 24] = 2, 1
    assert off_centre(columns_of(h, 0), facts_of(60), (5, 5))[0] == pytest.approx(1)
