from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.atlas import kernels
from cytosae_toolkit.interfaces.codes import Codes

N_IMAGES, N_TOKENS, PREFIX, D_SAE = 3, 7, 2, 11


@pytest.fixture
def h():
    rng = np.random.default_rng(0)
    found = rng.integers(1, 5, (N_IMAGES * N_TOKENS, D_SAE)) * (rng.random((N_IMAGES * N_TOKENS, D_SAE)) < 0.3)
    found[:, 4] = 0
    found[:, 6] = 0
    found[N_TOKENS, 6] = 3  # on a prefix token of the second image only
    return found.astype(np.float32)


def arrays(h):
    codes = Codes.from_dense(torch.from_numpy(h))
    return codes.start.numpy(), codes.token.numpy(), codes.value.numpy()


def test_counts_are_those_of_each_image(h):
    pairs, entries, cells = np.zeros((3, N_IMAGES), dtype=np.int64)
    start, token, _ = arrays(h)
    kernels.count_images(start, token, N_TOKENS, PREFIX, pairs, entries, cells)
    images = h.reshape(N_IMAGES, N_TOKENS, D_SAE)
    assert np.array_equal(pairs, (images > 0).any(axis=1).sum(axis=1))
    assert np.array_equal(entries, (images > 0).sum(axis=(1, 2)))
    assert np.array_equal(cells, (images[:, PREFIX:] > 0).sum(axis=(1, 2)))


def test_summaries_are_those_of_dense_images(h):
    images = h.reshape(N_IMAGES, N_TOKENS, D_SAE)
    n_pairs, n_cells = (images > 0).any(axis=1).sum(axis=1), (images[:, PREFIX:] > 0).sum(axis=(1, 2))
    kinds = (np.int64, np.float32, np.float32, np.int32, np.int64, np.int64)
    of_pairs = [np.empty(n_pairs.sum(), kind) for kind in kinds]
    of_cells = [np.empty(n_cells.sum(), kind) for kind in (np.int32, np.float32)]
    kernels.summarise(
        *arrays(h), N_TOKENS, PREFIX, np.cumsum(n_pairs) - n_pairs, np.cumsum(n_cells) - n_cells, *of_pairs, *of_cells
    )
    pair = cell = 0
    for image in images:
        for latent in np.flatnonzero((image > 0).any(axis=0)):
            patches = image[PREFIX:, latent]
            on = np.flatnonzero(patches)
            expected = (
                latent, image[:, latent].mean(dtype=np.float64).astype(np.float32), patches.max(),
                patches.argmax() if len(on) else -1, (image[:, latent] > 0).sum(), len(on),
            )  # fmt: skip
            assert tuple(array[pair] for array in of_pairs) == expected
            part = slice(cell, cell + len(on))
            assert np.array_equal(of_cells[0][part], on)
            assert np.array_equal(of_cells[1][part], patches[on])
            pair, cell = pair + 1, cell + len(on)
    assert (pair, cell) == (n_pairs.sum(), n_cells.sum())


def test_patch_sums_are_numpys():
    rng = np.random.default_rng(1)
    n, positions = 500, 9
    latent, position = rng.integers(0, D_SAE, n), rng.integers(0, positions, n)
    activation = rng.exponential(30, n).astype(np.float32)
    sums, expected = np.zeros((2, positions, D_SAE), dtype=np.int64)
    high, low, active = np.zeros((3, D_SAE), dtype=np.int64)
    kernels.add_patches(latent, position, activation, (2.0**30, 2.0**10, 2.0**40), 40, sums, high, low, active)
    exact = activation.astype(np.float64)
    np.add.at(expected, (position, latent), np.rint(exact * 2.0**30).astype(np.int64))
    assert np.array_equal(sums, expected)
    whole, rest = np.zeros((2, D_SAE), dtype=np.int64)
    np.add.at(whole, latent, np.floor(exact**2 * 2**10).astype(np.int64))
    np.add.at(rest, latent, np.rint((exact**2 * 2**10 % 1) * 2.0**40).astype(np.int64))
    assert np.array_equal(high, whole + (rest >> 40))
    assert np.array_equal(low, rest & (2**40 - 1))
    assert np.array_equal(active, np.bincount(latent, minlength=D_SAE))


def test_trackers_are_left_without_owners():
    rng = np.random.default_rng(2)
    place, key = rng.integers(0, 5, 200), rng.permutation(200).astype(np.uint64)
    keys = np.full((5, 3), np.uint64(2**64 - 1))
    owner, entered = np.full((5, 3), -1, dtype=np.int32), np.zeros(200, dtype=bool)
    kernels.enter_smallest(place, key, keys, owner, entered)
    assert (owner == -1).all()
    for p in range(5):
        assert np.array_equal(keys[p], np.sort(key[place == p])[:3])
        assert np.array_equal(np.sort(key[entered & (place == p)]), keys[p])


def test_groups_take_one_place_each():
    rng = np.random.default_rng(3)
    place, group, key = rng.integers(0, 4, 300), rng.integers(0, 6, 300), rng.permutation(300).astype(np.uint64)
    keys, groups = np.full((4, 3), np.uint64(2**64 - 1)), np.tile(np.array([-1, -2, -3], dtype=np.int32), (4, 1))
    owner, entered = np.full((4, 3), -1, dtype=np.int32), np.zeros(300, dtype=bool)
    kernels.enter_groups(place, group, key, keys, groups, owner, entered)
    assert (owner == -1).all()
    for p in range(4):
        best = sorted((key[(place == p) & (group == g)].min(), g) for g in range(6))[:3]
        assert list(zip(keys[p].tolist(), groups[p].tolist(), strict=True)) == best
        assert set(key[entered & (place == p)].tolist()) == {value for value, _ in best}


def test_ranges_are_copied_in_the_order_given():
    source = np.arange(10, 20, dtype=np.uint16)
    out = np.empty(6, dtype=np.uint16)
    kernels.copy_ranges(np.array([7, 0, 3, 2]), np.array([3, 3, 5, 6]), source, out)
    assert out.tolist() == [17, 18, 19, 13, 14, 12]
