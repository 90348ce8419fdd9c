from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from cytosae_toolkit.atlas.card import features as module
from cytosae_toolkit.atlas.card.features import Models, gather_features
from cytosae_toolkit.atlas.card.fidelity import Embedder
from cytosae_toolkit.plugins import create_sae
from cytosae_toolkit.training.evaluation import chunks_of
from cytosae_toolkit.training.metrics import measure

N, TOKENS, D, LATENTS = 21, 5, 6, 24


class Backbone:
    """Continues by adding tokens up; 1 prefix token."""

    prefix_tokens, n_tokens = 1, TOKENS

    def continue_from(self, tokens, layer):
        return tokens.sum(dim=1)


class View:
    values = np.random.default_rng(0).normal(size=(N, TOKENS, D)).astype(np.float16)

    def __len__(self):
        return N

    def read(self, indices):
        return self.values[indices]


def make_sae(seed: int):
    sae = create_sae("relu-l1", D, LATENTS)
    sae.initialize(torch.zeros(1, D), torch.Generator().manual_seed(seed))
    with torch.no_grad():
        sae.b_enc -= 1
        sae.b_enc[3] = -1e6
    return sae


@pytest.fixture
def models():
    return Models(make_sae(0), make_sae(1), Embedder(Backbone(), 0), prefix_tokens=1, other=make_sae(2), ablated=(1,))


def test_features_are_what_dense_arrays_give(monkeypatch, models):
    monkeypatch.setattr(module, "TOKENS_AT_ONCE", 2 * TOKENS)
    found, x = gather_features(models, View()), View.values.astype(np.float32)
    h = models.sae.encode(torch.from_numpy(x)).detach().numpy()
    trained = found.activations["trained SAE"]
    assert sparse.issparse(trained)
    assert trained.nnz == (h.mean(axis=1) > 0).sum()
    np.testing.assert_allclose(trained.toarray(), h.mean(axis=1), rtol=1e-5)
    untrained = models.untrained.encode(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found.activations["untrained SAE"], untrained.mean(axis=1), rtol=1e-5, atol=1e-7)
    centered = x - x.mean(axis=(0, 1))
    raw = np.concatenate([np.maximum(centered, 0), np.maximum(-centered, 0)], axis=2).mean(axis=1)
    np.testing.assert_allclose(found.activations["raw dimensions"], raw, atol=1e-5)
    assert found.activations["PCA"].shape == (N, 2 * D)
    np.testing.assert_array_equal(found.tokens["CLS"], x[:, 0])
    np.testing.assert_allclose(found.tokens["mean patch token"], x[:, 1:].mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(found.live, (h > 0).any(axis=(0, 1)))
    assert not found.live_other[3]
    assert found.live_other.any()


def test_metrics_are_those_of_evaluate(models):
    found = gather_features(models, View())
    assert found.measured == measure(models.sae, chunks_of(View()), prefix_tokens=1)
    assert found.untrained == measure(models.untrained, chunks_of(View()), prefix_tokens=1).all_tokens


def test_every_replacement_is_embedded(models):
    found, x = gather_features(models, View()), torch.from_numpy(View.values.astype(np.float32))
    assert set(found.embeddings) == {"original", "trained SAE", "untrained SAE", "PCA", "mean token", "zeros"}
    np.testing.assert_allclose(found.embeddings["original"], x.sum(dim=1).numpy(), atol=1e-5)
    x_hat = models.sae.decode(models.sae.encode(x)).detach().sum(dim=1).numpy()
    np.testing.assert_allclose(found.embeddings["trained SAE"], x_hat, atol=1e-4)
    np.testing.assert_allclose(found.embeddings["mean token"], TOKENS * x.mean(dim=(0, 1))[None].numpy(), atol=1e-4)
    assert not found.embeddings["zeros"].any()
    assert found.ablations.shape == (N, 1)


def test_all_components_reconstruct_and_few_do_not(models):
    basis = module.Basis.of(module.token_moments(iter([torch.from_numpy(View.values).reshape(-1, D)]), D), "cpu")
    x = torch.from_numpy(View.values.astype(np.float32))
    torch.testing.assert_close(basis.reconstruct(x, D), x, atol=1e-4, rtol=1e-4)
    errors = [float((basis.reconstruct(x, n) - x).square().sum()) for n in (1, 3, 5)]
    assert errors == sorted(errors, reverse=True)


def test_a_backbone_that_cannot_continue_has_no_replacements(models):
    stuck = replace(models, embed=Embedder(Backbone(), 0, "It cannot."))
    assert set(gather_features(stuck, View()).embeddings) == {"original"}


def test_only_a_sample_of_untrained_latents_is_kept(monkeypatch, models):
    monkeypatch.setattr(module, "UNTRAINED_LATENTS", 5)
    samples = [gather_features(replace(models, seed=seed), View()).activations["untrained SAE"] for seed in (0, 0, 1)]
    assert samples[0].shape == (N, 5)
    np.testing.assert_array_equal(samples[0], samples[1])
    assert (samples[0] != samples[2]).any()
