from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.training.ghosts import Exponentials, Ghosts


def no_term(ghost, x_hat, x):
    raise AssertionError


@pytest.mark.parametrize("some", [None, torch.tensor([True, False, True, True])])
def test_exponentials_of_the_chosen_latents_are_collected_block_by_block(some):
    products = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    bias, latents = torch.linspace(-1, 1, 9), torch.tensor([0, 3, 4, 8])
    found = Exponentials(Ghosts(latents, no_term, some), bias, 4, torch.float32)
    for first in (0, 4, 7):
        found.see(first, products[first : {0: 4, 4: 7, 7: 9}[first]])
    expected = torch.exp(products + bias[:, None])[latents]
    torch.testing.assert_close(found.activations, expected if some is None else expected[:, some])


def test_a_piece_of_the_batch_has_its_part_of_the_tokens():
    latents = torch.tensor([1, 2])
    everywhere = Ghosts(latents, no_term)
    assert everywhere.on(slice(1, 3)) == everywhere
    found = Ghosts(latents, no_term, torch.tensor([True, False, True])).on(slice(1, 3))
    assert found.tokens.tolist() == [False, True]
    assert found.latents is latents
