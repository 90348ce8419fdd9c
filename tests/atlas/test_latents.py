from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.atlas.latents import check_weights, finite_codes, reconstruct
from cytosae_toolkit.errors import NotFiniteError
from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.plugins import create_sae


@pytest.fixture
def sae():
    made = create_sae("relu-l1", 6, 24)
    made.initialize(torch.randn(30, 6, generator=torch.Generator().manual_seed(1)), torch.Generator().manual_seed(0))
    return made.eval()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_sparse_and_dense_reconstructions_agree(sae, share, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.atlas.latents.DENSE_SHARE", share)
    codes = finite_codes(sae, torch.randn(9, 6, generator=torch.Generator().manual_seed(2)), "it")
    torch.testing.assert_close(reconstruct(sae, codes), sae.decode(codes.dense()).detach())


def test_a_decoder_of_its_own_is_used(sae, monkeypatch):
    monkeypatch.setattr(type(sae), "decode", lambda self, latents: 2 * latents[:, :6])
    codes = Codes.from_dense(torch.eye(24)[:3])
    assert torch.equal(reconstruct(sae, codes), 2 * torch.eye(24)[:3, :6])


def test_latents_of_a_dense_encoder_are_looked_at_too(sae, monkeypatch):
    monkeypatch.setattr(type(sae), "encode_sparse", lambda self, x: Codes.from_dense(x / 0))
    with pytest.raises(NotFiniteError, match="latents on a cell"):
        finite_codes(sae, torch.zeros(2, 6), "a cell")


def test_finite_weights_pass(sae):
    check_weights(sae)
