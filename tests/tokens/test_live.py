from __future__ import annotations

import numpy as np
import pytest
from token_parts import Images, Matrix, computer, filled

from cytosae_toolkit.images import UnreadableImage
from cytosae_toolkit.tokens import LiveView, open_view


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_live_tokens_are_those_of_the_store(tmp_path, dtype):
    images = Images(range(150))
    stored = open_view(filled(tmp_path / "s", images, dtype=dtype), images)
    live = LiveView(images, computer(dtype=dtype))
    order = np.random.default_rng(0).integers(0, 150, 200)
    np.testing.assert_array_equal(live.read(order), stored.read(order))
    assert (len(live), live.n_tokens, live.d_model) == (len(stored), stored.n_tokens, stored.d_model)
    assert live.fingerprint == stored.fingerprint
    assert live.store is None


def test_subset():
    live = LiveView(Images(range(20)), computer())
    np.testing.assert_array_equal(live.subset([7, 2]).read([1]), live.read([2]))
    assert live.subset([7, 2]).table_rows.tolist() == [7, 2]


def test_each_image_is_computed_once_per_read_and_the_last_are_remembered():
    images = Images(range(200))
    live = LiveView(images, computer())
    live.read([5, 5, 6])
    assert images.n_read == 2
    live.read([6, 5])
    assert images.n_read == 2
    live.read(range(100, 200))
    live.read([5])
    assert images.n_read == 103


def test_memory_is_flat():
    live = LiveView(Images(range(300)), computer(Matrix()))
    live.read(range(300))
    assert len(live._recent) == 64


def test_unreadable_image_is_an_error():
    with pytest.raises(UnreadableImage, match=r"image-3\.png"):
        LiveView(Images(range(5), broken=[3]), computer()).read([3])
