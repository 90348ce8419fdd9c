from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from cytosae_toolkit.atlas.pictures import as_seen, decode_picture, encode_picture, picture_boxes
from cytosae_toolkit.plugins import create_backbone


def test_a_picture_comes_back_as_it_was():
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    assert np.array_equal(decode_picture(encode_picture(picture)), picture)


def test_it_is_what_the_backbone_sees(tiny_backbone):
    backbone = create_backbone("timm", **tiny_backbone)
    image = np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    seen = as_seen(image, backbone)
    assert seen.shape == (32, 32, 3)
    assert torch.equal(backbone.preprocess(seen), backbone.preprocess(image))


def test_only_the_part_under_the_patches_is_kept():
    boxes = np.array([[10.0, 0, 15, 10], [15, 0, 20, 10]])
    backbone = SimpleNamespace(patch_boxes=lambda shape: boxes, grid=(1, 2), patch_size=(10, 5))
    image = np.zeros((10, 30, 3), dtype=np.uint8)
    image[:, 10:20] = 200
    assert as_seen(image, backbone).min() == 200


def test_boxes_lie_row_by_row():
    boxes = picture_boxes((2, 3), (4, 5))
    assert boxes.tolist()[:4] == [[0, 0, 5, 4], [5, 0, 10, 4], [10, 0, 15, 4], [0, 4, 5, 8]]
