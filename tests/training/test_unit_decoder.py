from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.training.unit_decoder import UnitDecoderSAE


class Absolute(UnitDecoderSAE):
    """The smallest variant that the base allows."""

    def encode(self, tokens):
        return self.preactivations(tokens).abs()

    def initialize(self, tokens, generator):
        self.initialize_tied(tokens, generator, center="mean", scale=0.5)

    def loss(self, tokens, context):
        return {"reconstruction": (self.decode(self.encode(tokens)) - tokens).square().mean()}


@pytest.fixture
def tokens():
    return torch.randn(64, 6, generator=torch.Generator().manual_seed(0)) + 2


@pytest.fixture
def sae(tokens):
    made = Absolute(6, 10)
    made.initialize(tokens, torch.Generator().manual_seed(1))
    return made


def test_preactivations_are_equation_1_before_the_relu(sae, tokens):
    with torch.no_grad():
        sae.b_enc.uniform_(-1, 1)
    direct = (tokens - sae.b_dec) @ sae.W_enc + sae.b_enc
    torch.testing.assert_close(sae.preactivations(tokens), direct, atol=1e-5, rtol=1e-5)
    assert sae.preactivations(tokens.reshape(4, 16, 6)).shape == (4, 16, 10)


def test_the_encoder_starts_along_the_decoder(sae, tokens):
    torch.testing.assert_close(sae.W_enc, 0.5 * sae.W_dec.T)
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(10))
    torch.testing.assert_close(sae.b_dec, tokens.mean(dim=0))


def test_a_step_turns_directions_and_does_not_stretch_them(sae, tokens):
    with torch.no_grad():
        sae.W_dec *= 3
    sae.before_step()
    sae.loss(tokens, None)["reconstruction"].backward()
    sae.after_backward()
    assert (sae.W_dec.grad * sae.W_dec).sum(dim=1).abs().max() < 1e-6
    torch.testing.assert_close(sae.W_dec.norm(dim=1), torch.ones(10))
