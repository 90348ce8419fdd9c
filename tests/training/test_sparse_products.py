"""Compiled kernels and PyTorch's operations against dense products."""

from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.training import sparse_products as products


@pytest.fixture(params=[0.0, 0.004, 0.3, 1.0])
def latents(request):
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(40, 70, generator=generator)
    return torch.where(drawn < request.param, drawn + 0.1, 0.0)


@pytest.fixture(params=["compiled", "torch"])
def implementation(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(products, "_compiled", lambda tensor: False)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def test_products(latents, implementation, threads):
    generator = torch.Generator().manual_seed(1)
    codes = Codes.from_dense(latents)
    weights, tokens = torch.randn(70, 12, generator=generator), torch.randn(40, 12, generator=generator)
    torch.testing.assert_close(products.decode(codes, weights), latents @ weights)
    dots, sums = products.pull(codes, weights, tokens)
    torch.testing.assert_close(dots, (tokens @ weights.T)[codes.token.long(), codes.latent.long()])
    torch.testing.assert_close(sums, latents.T @ tokens)
    others = torch.randn(len(codes), generator=generator)
    dense = torch.zeros_like(latents)
    dense[codes.token.long(), codes.latent.long()] = others
    torch.testing.assert_close(products.gather(codes, others, tokens), dense.T @ tokens)


def test_threads_do_not_change_a_bit():
    generator = torch.Generator().manual_seed(3)
    codes = Codes.from_dense(torch.relu(torch.randn(50, 60, generator=generator)))
    weights, before = torch.randn(60, 9, generator=generator), torch.get_num_threads()
    found = []
    for n in (1, 2, 3):
        torch.set_num_threads(n)
        found.append(products.decode(codes, weights))
    torch.set_num_threads(before)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])
