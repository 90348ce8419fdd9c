from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.interfaces.codes import Codes, stable_order, starts


@pytest.fixture
def latents():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(7, 11, generator=generator)
    return torch.where(drawn > 0.7, drawn, 0.0)


def test_entries_are_sorted_by_latent_then_token(latents):
    codes = Codes.from_dense(latents)
    dense = torch.zeros_like(latents)
    dense[codes.token.long(), codes.latent.long()] = codes.value
    assert torch.equal(dense, latents)
    key = codes.latent.long() * codes.n_tokens + codes.token
    assert bool((key.diff() > 0).all())
    assert codes.density == pytest.approx(float((latents > 0).float().mean()))
    assert torch.equal(codes.fired, (latents > 0).any(dim=0))


def test_the_order_by_token(latents):
    codes = Codes.from_dense(latents)
    order, start = codes.by_token
    for token in range(codes.n_tokens):
        mine = order[int(start[token]) : int(start[token + 1])]
        assert torch.equal(codes.latent[mine].long(), torch.nonzero(latents[token])[:, 0])


def test_nothing_active():
    codes = Codes.from_dense(torch.zeros(3, 5))
    assert len(codes) == 0 and codes.density == 0 and not codes.fired.any()
    assert codes.by_token[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("bound", [300, 70_000])  # below and above what 16 bits hold
def test_sorting_is_stable(bound):
    keys = torch.randint(bound - 50, bound, (2000,), generator=torch.Generator().manual_seed(1), dtype=torch.int32)
    order = stable_order(keys, bound)
    assert torch.equal(order, torch.argsort(keys, stable=True))
    assert starts(keys, bound).tolist()[-51:] == [0, *torch.bincount(keys - bound + 50, minlength=50).cumsum(0)]
