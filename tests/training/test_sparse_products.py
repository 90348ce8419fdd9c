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
        monkeypatch.setattr(products, "suits_kernels", lambda matrix: False)


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
    gradient, gradient_of_sum = torch.randn(40, 12, generator=generator), torch.randn(40, generator=generator)
    inner = (gradient @ weights.T + gradient_of_sum[:, None]) * (latents > 0)
    out = torch.full_like(weights, 7.0), torch.full_like(weights, 7.0)
    found = products.backward(codes, weights, gradient, gradient_of_sum, tokens, out)
    assert found[0] is out[0] and found[1] is out[1]
    for one, expected in zip(found, (latents.T @ gradient, inner.T @ tokens, inner.sum(dim=0)), strict=True):
        torch.testing.assert_close(one, expected)


def test_strided_gradients_are_taken():
    codes, weights, tokens = Codes.from_dense(torch.eye(3)), torch.eye(3), torch.ones(3, 3)
    expanded = torch.ones(()).expand(3)
    _, to_encoder, to_bias = products.backward(codes, weights, tokens.T, expanded, tokens)
    assert torch.equal(to_bias, torch.full((3,), 2.0))
    assert torch.equal(to_encoder, torch.full((3, 3), 2.0))


def test_threads_do_not_change_a_bit():
    generator = torch.Generator().manual_seed(3)
    codes = Codes.from_dense(torch.relu(torch.randn(50, 60, generator=generator)))
    weights, before = torch.randn(60, 9, generator=generator), torch.get_num_threads()
    found = []
    for n in (1, 2, 3):
        torch.set_num_threads(n)
        decoded = products.decode(codes, weights)
        found.append((decoded, *products.backward(codes, weights, decoded, decoded[:, 0], decoded)))
    torch.set_num_threads(before)
    for one, two, three in zip(*found, strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)
