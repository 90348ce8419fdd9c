from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.atlas.accumulators import FIXED, PatchSums, Positions


def image(seed, d_sae=7, patches=16, scale=1.0):
    rng = np.random.default_rng(seed)
    h = (rng.random((patches, d_sae)) * (rng.random((patches, d_sae)) < 0.4) * scale).astype(np.float32)
    patch, latent = np.nonzero(h)
    return h, latent, patch, h[patch, latent]


def fed(images, n_sets=2, grid=(4, 4)):
    sums = PatchSums(7, grid, n_sets, 0.5)
    for number, (h, latent, patch, values) in enumerate(images):
        active = np.flatnonzero((h > 0).any(axis=0))
        sums.update(number % n_sets, latent, patch, values, (h > 0).sum(axis=0)[active], active)
    return sums


def test_sums_equal_numpy():
    images = [image(seed) for seed in range(6)]
    sums, h = fed(images), np.stack([one[0] for one in images]).astype(np.float64)
    assert np.allclose(sums.position_sum / FIXED, h.sum(axis=0), atol=1e-8)
    assert np.allclose(sums.square_sum(0, 7), np.square(h).sum(axis=(0, 1)), rtol=1e-12)
    assert np.array_equal(sums.active_patches, [(h[s::2] > 0).sum(axis=(0, 1)) for s in (0, 1)])
    assert np.array_equal(sums.active_tokens, (h > 0).sum(axis=(0, 1)))
    assert sums.n_images.tolist() == [3, 3]
    assert (sums.n_active, sums.n_above) == ((h > 0).sum(), (h > 0.5).sum())


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_any_order_and_any_parts_give_the_same_bits(scale):
    images = [image(seed, scale=scale) for seed in range(9)]
    whole = fed(images, n_sets=1)
    parts = [fed(images[a:b], n_sets=1) for a, b in ((6, 9), (0, 2), (2, 6))]
    joined = PatchSums(7, (4, 4), 1, 0.5)
    for part in parts:
        joined.add(part, np.array([0]))
    for name, expected in whole.arrays().items():
        assert np.array_equal(joined.arrays()[name], expected), name
    assert np.array_equal(joined.square_sum(2, 5), whole.square_sum(0, 7)[2:5])


def test_sets_are_renumbered_when_added():
    part = fed([image(0), image(1)])
    joined = PatchSums(7, (4, 4), 3, 0.5)
    joined.add(part, np.array([2, 0]))
    assert joined.n_images.tolist() == [1, 0, 1]
    assert np.array_equal(joined.active_patches[2], part.active_patches[0])


def test_fine_grids_are_binned():
    assert Positions((16, 14)).shape == (16, 14)
    fine = Positions((37, 16))
    assert fine.shape == (13, 16)
    assert fine.of_patch.max() == 13 * 16 - 1
    assert np.bincount(fine.of_patch).tolist() == [3] * 12 * 16 + [1] * 16


def test_arrays_restore():
    sums = fed([image(3)])
    other = PatchSums(7, (4, 4), 2, 0.5)
    other.restore(sums.arrays())
    assert all(np.array_equal(a, other.arrays()[name]) for name, a in sums.arrays().items())
