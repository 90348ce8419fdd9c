from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.atlas.units import (
    MaskedImage,
    backbone_units,
    brightness_units,
    component_units,
    dimension_units,
    latent_units,
    localise_units,
    masked_images,
    overlap,
    place_units,
)
from cytosae_toolkit.images import read_images
from cytosae_toolkit.plugins import create_backbone, create_sae

BOXES = np.array([[0, 0, 2, 2], [2, 0, 4, 2], [0, 2, 2, 4], [2, 2, 4, 4]], dtype=float)


def image() -> np.ndarray:
    """White above, black below."""
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    pixels[:2] = 255
    return pixels


def test_brightness_and_darkness_of_each_patch():
    found = brightness_units(None, image(), BOXES)
    np.testing.assert_allclose(found, [[1, 0], [1, 0], [0, 1], [0, 1]], atol=1e-6)
    green = np.full((4, 4, 3), [0, 255, 0], dtype=np.uint8)
    assert brightness_units(None, green, BOXES)[0, 0] == pytest.approx(0.7152)


def test_a_box_between_pixels_takes_those_that_it_touches():
    found = brightness_units(None, image(), np.array([[0.5, 1.5, 1.5, 2.5]]))
    assert found[0, 0] == pytest.approx(0.5)


def test_dimensions_are_rectified_above_and_below_their_mean():
    tokens = np.array([[1.0, 5.0], [3.0, 5.0]], dtype=np.float32)
    found = dimension_units(np.array([2.0, 5.0]))(tokens, image(), BOXES)
    np.testing.assert_array_equal(found, [[0, 0, 1, 0], [1, 0, 0, 0]])
    assert found.dtype == np.float32


def test_latents_are_what_the_sae_encodes():
    sae = create_sae("relu-l1", 3, 6)
    sae.initialize(torch.zeros(1, 3), torch.Generator().manual_seed(0))
    tokens = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    found = latent_units(sae)(tokens, image(), BOXES)
    np.testing.assert_array_equal(found, sae.encode(torch.from_numpy(tokens)).detach().numpy())


def samples(n: int = 3) -> list[MaskedImage]:
    rng = np.random.default_rng(0)
    upper, left = np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 1, 0])
    return [
        MaskedImage(rng.normal(size=(4, 2)).astype(np.float32), image(), BOXES, np.stack([upper, left], axis=1))
        for _ in range(n)
    ]


def test_brightness_finds_the_bright_half():
    found = overlap(brightness_units, iter(samples()))
    assert found.best(0) == 0
    assert found.share_inside[0, 0] == pytest.approx(1)
    bright, other = localise_units(brightness_units, [0, 1], iter(samples()))
    assert (bright.unit, bright.share_inside, bright.recall, bright.average_precision) == (0, 1, 1, 1)
    assert (other.unit, other.share_inside) == (1, 0.5)  # darkness knows nothing of left and right


def test_without_images_there_is_nothing_to_compare():
    with pytest.raises(ValueError, match="no images"):
        overlap(brightness_units, iter([]))


def test_masked_images_lay_patches_over_masks(tiny_images, tiny_backbone):
    backbone = create_backbone("timm", device="cpu", **tiny_backbone)
    table = read_images(tiny_images).subset([0, 1])

    class View:
        n_tokens, d_model = 5, 64

        def __len__(self):
            return 2

        def read(self, indices):
            return (
                np.arange(5, dtype=np.float16)[None, :, None] + 10 * np.asarray(indices)[:, None, None] + np.zeros(64)
            )

    mask = np.zeros((32, 32), dtype=bool)
    mask[:16, :16] = True
    first, second = masked_images(table, View(), backbone, lambda row: [mask, ~mask] if row else [~mask, mask])
    assert first.coverage.tolist() == [[0, 1], [1, 0], [1, 0], [1, 0]]
    assert second.coverage.tolist() == [[1, 0], [0, 1], [0, 1], [0, 1]]
    assert second.tokens[:, 0].tolist() == [11, 12, 13, 14]  # without the prefix token
    assert second.tokens.dtype == np.float32
    np.testing.assert_array_equal(second.image, table.read(1))
    assert second.boxes.shape == (4, 4)


def test_components_are_projections_rectified_both_ways():
    tokens = np.array([[1.0, 5.0], [3.0, 5.0]], dtype=np.float32)
    swapped = np.array([[0.0, 1.0], [1.0, 0.0]])
    found = component_units(np.array([2.0, 4.0]), swapped)(tokens, image(), BOXES)
    np.testing.assert_array_equal(found, [[1, 0, 0, 1], [1, 1, 0, 0]])
    assert found.dtype == np.float32


def test_units_of_another_backbone_see_its_patch_tokens(tiny_backbone):
    backbone = create_backbone("timm", device="cpu", **tiny_backbone)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found = backbone_units(backbone, 2, dimension_units(np.zeros(64)))(None, pixels, BOXES)
    tokens = backbone.tokens(backbone.preprocess(pixels)[None], 2)[0, 1:].numpy()
    np.testing.assert_allclose(found[:, :64], np.maximum(tokens, 0), atol=1e-6)


def test_places_are_near_the_centre_or_far_from_it():
    corners = np.array([[0, 0, 0, 0], [4, 4, 4, 4], [2, 2, 2, 2], [0, 2, 0, 2]], dtype=float)
    near, far = place_units(None, image(), corners).T
    np.testing.assert_allclose(far, [1, 1, 0, np.sqrt(0.5)], atol=1e-6)
    np.testing.assert_allclose(near + far, 1)
