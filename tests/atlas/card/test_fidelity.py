from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.atlas.card.fidelity import Embedder, ablate, cosines, probe_change
from cytosae_toolkit.atlas.card.probes import labelled
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.plugins import create_backbone, create_sae


class Sums:
    """Continues from a layer by adding its tokens up."""

    prefix_tokens = 1

    def continue_from(self, tokens, layer):
        return tokens.sum(dim=1)


class Stuck(Sums):
    def continue_from(self, tokens, layer):
        raise CytosaeError("It cannot continue.")


TOKENS = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32))


def test_a_backbone_that_continues_gives_its_final_embedding():
    embed = Embedder.of(Sums(), 2, TOKENS[:1])
    assert embed.continues
    assert embed.description == "final embedding, continued from layer 2"
    np.testing.assert_allclose(embed(TOKENS), TOKENS.sum(dim=1).numpy())


def test_one_that_cannot_gives_a_token_and_the_reason():
    embed = Embedder.of(Stuck(), 2, TOKENS[:1])
    assert (embed.continues, embed.obstacle) == (False, "It cannot continue.")
    assert embed.description == "CLS token of layer 2"
    np.testing.assert_array_equal(embed(TOKENS), TOKENS[:, 0].numpy())
    stuck = Stuck()
    stuck.prefix_tokens = 0
    np.testing.assert_allclose(Embedder.of(stuck, 2, TOKENS[:1])(TOKENS), TOKENS.mean(dim=1).numpy())


def test_a_real_backbone_continues_to_what_it_embeds(tiny_backbone):
    backbone = create_backbone("timm", device="cpu", **tiny_backbone)
    batch = torch.rand(2, 3, 32, 32)
    early, late = (Embedder.of(backbone, layer, backbone.tokens(batch[:1], layer)) for layer in (1, 5))
    np.testing.assert_allclose(early(backbone.tokens(batch, 1)), late(backbone.tokens(batch, 5)), atol=1e-5)


def test_cosines_of_partners():
    a = np.array([[1.0, 0], [0, 2], [0, 0]])
    np.testing.assert_allclose(cosines(a, np.array([[3.0, 0], [1, 1], [1, 1]])), [1, np.sqrt(0.5), 0])


def test_ablation_takes_one_latent_away_and_keeps_the_error():
    sae = create_sae("relu-l1", 4, 6)
    sae.initialize(TOKENS.reshape(-1, 4), torch.Generator().manual_seed(0))
    with torch.no_grad():
        sae.b_enc[5] = -1e6  # never fires
    found = ablate(sae, Embedder(Sums(), 0), TOKENS, (2, 5))
    h = sae.encode(TOKENS).detach()
    assert (h[..., 2] > 0).any()
    removed = TOKENS - h[..., 2:3] * sae.W_dec[2].detach()
    np.testing.assert_allclose(found[:, 0], cosines(TOKENS.sum(1).numpy(), removed.sum(1).numpy()), atol=1e-5)
    np.testing.assert_allclose(found[:, 1], 1, atol=1e-6)


def test_a_probe_notices_what_the_replacement_loses():
    rng = np.random.default_rng(0)
    labels = np.array(["a", "b"] * 30, dtype=object)
    embeddings = rng.normal(size=(60, 3)) + 4 * (labels == "a")[:, None] * [1, 0, 0]
    data = labelled(labels, np.arange(60).astype(str))
    assert probe_change(embeddings, embeddings, data).change == 0
    lost = probe_change(embeddings, np.zeros_like(embeddings), data)
    assert lost.original > 0.9
    assert lost.change == pytest.approx(0.5 - lost.original, abs=0.05)
