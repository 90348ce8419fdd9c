from __future__ import annotations

import numpy as np
import torch

from cytosae_toolkit.atlas.card import other_backbones
from cytosae_toolkit.atlas.card.other_backbones import embed_images, see_untrained
from cytosae_toolkit.images import read_images
from cytosae_toolkit.plugins import create_backbone
from cytosae_toolkit.progress import SILENT


def all_tokens(table, backbone, layer):
    return backbone.tokens(torch.stack([backbone.preprocess(table.read(i)) for i in range(len(table))]), layer)


def test_embeddings_of_all_images_in_order(monkeypatch, tiny_images, tiny_backbone):
    monkeypatch.setattr(other_backbones, "IMAGES_AT_ONCE", 5)
    table, backbone = read_images(tiny_images), create_backbone("timm", device="cpu", **tiny_backbone)
    description, found = embed_images(table, backbone, SILENT)
    assert description == "final embedding, continued from layer 5"
    expected = backbone.continue_from(all_tokens(table, backbone, -1), -1)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_dimensions_of_an_untrained_backbone_are_rectified_around_their_mean(tiny_images, tiny_backbone):
    table, backbone = read_images(tiny_images), create_backbone("timm", device="cpu", **tiny_backbone)
    found = see_untrained(table, backbone, 4, SILENT)
    tokens = all_tokens(table, backbone, 4).numpy().astype(float)
    center = tokens[:, 1:].mean(axis=(0, 1))
    np.testing.assert_allclose(found.center, center, atol=1e-5)
    np.testing.assert_allclose(found.mean_token, tokens.mean(axis=1), atol=1e-5)
    expected = np.concatenate([np.maximum(tokens - center, 0), np.maximum(center - tokens, 0)], axis=2).mean(axis=1)
    np.testing.assert_allclose(found.activations, expected, atol=1e-5)
