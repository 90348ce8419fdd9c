from __future__ import annotations

import numpy as np
import torch

from cytosae_toolkit.atlas.sweep.concepts import LatentStatistics, latent_statistics
from cytosae_toolkit.interfaces.sae import SparseAutoencoder


class Reader(SparseAutoencoder):
    """Latents are the tokens themselves, rectified."""

    def encode(self, tokens):
        return torch.relu(tokens)

    def initialize(self, tokens, generator): ...

    def loss(self, tokens, context): ...


class View:
    def __init__(self, tokens):
        self.tokens = tokens

    def __len__(self):
        return len(self.tokens)

    def read(self, indices):
        return self.tokens[indices]


def tokens():
    values = np.random.default_rng(0).normal(size=(20, 3, 4)).astype(np.float16)
    values[:, :, 3] = -1  # never fires
    values[::2, :, 2] = -1  # fires on half of the images at most
    values[1::2, 0, 2] = 1
    return values


def test_they_are_the_dense_definition():
    h = np.maximum(tokens().astype(np.float64), 0)
    m = h.mean(axis=1)
    found = latent_statistics(Reader(4, 4), View(tokens()))
    np.testing.assert_allclose(found.frequency, (m > 0).mean(axis=0))
    np.testing.assert_allclose(found.mean_activation[:3], (m.sum(0) / (m > 0).sum(0).clip(1))[:3], rtol=1e-6)
    assert np.isnan(found.mean_activation[3])
    assert found.frequency[2] == 0.5
    assert (list(found.live), found.n_images) == ([0, 1, 2], 20)


def test_they_are_kept(tmp_path):
    found = latent_statistics(Reader(4, 4), View(tokens()))
    found.save(tmp_path / "a" / "s.safetensors")
    again = LatentStatistics.load(tmp_path / "a" / "s.safetensors")
    np.testing.assert_array_equal(again.mean_activation, found.mean_activation)
    np.testing.assert_array_equal(again.frequency, found.frequency)
    assert again.n_images == 20
