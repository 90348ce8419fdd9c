from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.interfaces.codes import Codes

# one prefix token, four patches, five latents
H = np.array(
    [
        [9, 0, 0, 0, 0],
        [0, 2, 0, 0, 1],
        [0, 0, 0, 0, 1],
        [0, 4, 3, 0, 0],
        [0, 4, 0, 0, 0],
    ],
    dtype=np.float32,
)


@pytest.fixture
def codes():
    return ImageCodes.of(Codes.from_dense(torch.from_numpy(H)), 1, (2, 2))


def test_every_number_is_kept(codes):
    np.testing.assert_array_equal(codes.tokens.toarray(), H)
    np.testing.assert_array_equal(codes.patches.toarray(), H[1:])
    assert codes.tokens.dtype == np.float32
    assert (codes.d_sae, codes.l0) == (5, 7 / 5)


def test_a_heat_map_is_row_major_without_prefix(codes):
    np.testing.assert_array_equal(codes.heatmap(1), [[2, 0], [4, 4]])
    np.testing.assert_array_equal(codes.heatmap(0), np.zeros((2, 2)))
    assert codes.heatmap(3).dtype == np.float32


def test_the_latents_of_a_patch(codes):
    latents, values = codes.at_patch(2)
    assert (latents.tolist(), values.tolist()) == ([1, 2], [4, 3])
    assert [len(codes.at_patch(patch)[0]) for patch in range(4)] == [2, 1, 2, 1]


def test_the_table_of_an_image(codes):
    table = codes.table(threshold=2.0)
    assert table.index.tolist() == [1, 0, 2, 4]  # by mean, prefix included
    assert table["mean"].tolist() == pytest.approx([2.0, 1.8, 0.6, 0.4])
    assert table["max"].tolist() == [4, 0, 3, 1]
    assert table["peak"].tolist() == [2, -1, 2, 0]  # first of equals; only the prefix fires
    assert table["count"].tolist() == [2, 0, 1, 0]  # strictly above


def test_a_silent_image():
    codes = ImageCodes.of(Codes.from_dense(torch.zeros(3, 4)), 1, (1, 2))
    assert len(codes.table(0.0)) == 0
    assert codes.means().tolist() == [0, 0, 0, 0]
    assert codes.patch_share().tolist() == [0, 0, 0, 0]


def test_means_and_shares(codes):
    np.testing.assert_array_equal(codes.means(), H.mean(axis=0, dtype=np.float64).astype(np.float32))
    np.testing.assert_array_equal(codes.patch_share(), (H[1:] > 0).mean(axis=0))
