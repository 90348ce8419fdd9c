from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from token_parts import Images, Matrix, computer

from cytosae_toolkit.errors import CytosaeError, NotFiniteError
from cytosae_toolkit.tokens.compute import Group, TokenComputer
from cytosae_toolkit.tokens.identity import TokenIdentity


def _run(images, *sizes, backbone=None, **more):
    made = computer(backbone, **more)
    bounds = np.cumsum([0, *sizes])
    groups = [Group(i, range(a, b)) for i, (a, b) in enumerate(pairwise(bounds))]
    return list(made.run(images, groups))


def test_groups_come_in_order_with_their_tokens():
    found = _run(Images(range(30)), 20, 10)
    assert [(group.name, group.tokens.shape) for group in found] == [(0, (20, 10, 8)), (1, (10, 10, 8))]
    backbone = Matrix()
    image = backbone.preprocess(Images(range(30)).read(25))
    expected = backbone.tokens(image[None], 2)[0].half().numpy()
    np.testing.assert_array_equal(found[1].tokens[5], expected)


def test_every_batch_has_the_same_size():
    backbone = Matrix()
    _run(Images(range(21)), 20, 1, backbone=backbone, batch_size=8)
    assert backbone.batches == [8, 8, 8, 8]


def test_unreadable_images_leave_gaps_and_change_nothing_else():
    whole = _run(Images(range(20)), 20)[0]
    found = _run(Images(range(20), broken=[0, 13]), 20)[0]
    assert {p: error.reason for p, error in found.unreadable.items()} == {0: "it is broken", 13: "it is broken"}
    others = [i for i in range(20) if i not in (0, 13)]
    np.testing.assert_array_equal(found.tokens[others], whole.tokens[others])
    assert not found.tokens[[0, 13]].any()


def test_group_of_unreadable_images_needs_no_backbone():
    backbone = Matrix()
    found = _run(Images(range(8), broken=range(8)), 8, backbone=backbone)[0]
    assert len(found.unreadable) == 8
    assert backbone.batches == []


class Poisoned(Matrix):
    """Gives a bad value for the image whose first pixel is that of number 13."""

    def __init__(self, value):
        super().__init__()
        self.value = value
        self.mark = self.preprocess(Images([13]).read(0))

    def tokens(self, batch, layer):
        out = super().tokens(batch, layer)
        for i, image in enumerate(batch):
            if torch.equal(image, self.mark):
                out[i, 4, 4] = self.value
        return out


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_tokens_that_are_not_finite_name_the_image(value, dtype):
    with pytest.raises(NotFiniteError, match=r"image-13\.png \(row 13\)"):
        _run(Images(range(20)), 20, backbone=Poisoned(value), dtype=dtype)


@pytest.mark.parametrize("value", [65520.0, -1e6])
def test_overflow_names_image_value_and_remedy(value):
    with pytest.raises(CytosaeError, match=r"image-13\.png \(row 13\) reach .*65504\. Use --token-dtype float32"):
        _run(Images(range(20)), 20, backbone=Poisoned(value))
    found = _run(Images(range(20)), 20, backbone=Poisoned(value), dtype="float32")[0]
    assert found.tokens[13, 4, 4] == value


def test_largest_float16_is_kept():
    found = _run(Images(range(20)), 20, backbone=Poisoned(65519.0))[0]
    assert found.tokens[13, 4, 4] == np.float16(65504)


def test_wrong_shape_is_the_plugins_fault():
    class Wrong(Matrix):
        def tokens(self, batch, layer):
            return super().tokens(batch, layer)[:, 1:]

    with pytest.raises(CytosaeError, match=r"shape \[8, 9, 8\].*promised \[8, 10, 8\]"):
        _run(Images(range(3)), 3, backbone=Wrong())


def test_out_of_memory_is_a_sentence():
    class Huge(Matrix):
        def tokens(self, batch, layer):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(CytosaeError, match="Memory ran out while the backbone worked on 8 images"):
        _run(Images(range(3)), 3, backbone=Huge())


def test_decoding_runs_ahead_by_a_bounded_number_of_images():
    images, made = Images(range(500)), computer(batch_size=4)
    results = made.run(images, [Group(i, range(10 * i, 10 * i + 10)) for i in range(50)])
    next(results)
    assert images.n_read <= 10 + 2 * 4 + 2 * made.workers
    results.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("cytosae-decode")]


def test_bfloat16_differs_and_is_still_rounded_to_the_token_type():
    from cytosae_toolkit.tokens import TokenComputer, TokenIdentity

    backbone = Matrix()
    identity = TokenIdentity.of(backbone, -2, precision="bfloat16")
    (low,) = TokenComputer(backbone, identity).run(Images(range(8)), [Group(0, range(8))])
    high = _run(Images(range(8)), 8)[0]
    assert low.tokens.dtype == np.float16
    assert 0 < np.abs(low.tokens - high.tokens).max() < 0.2


def test_the_backbone_computes_in_the_precision_that_the_store_records():
    backbone = Matrix()
    TokenComputer(backbone, TokenIdentity.of(backbone, 0, precision="bfloat16"))
    assert backbone.precision == "bfloat16"
    TokenComputer(backbone, TokenIdentity.of(backbone, 0))
    assert backbone.precision == "float32"
