from __future__ import annotations

import pytest
import torch
from cytosae_topk import TopKOptions
from cytosae_topk.sae import TopK, build

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.sae import StepContext
from cytosae_toolkit.testing import SAEConformance


class TestConformance(SAEConformance):
    def create(self, d_model, d_sae):
        return build(d_model, d_sae, TopKOptions(k=min(4, d_sae)))


def context(step: int = 0) -> StepContext:
    return StepContext(step, torch.Generator().manual_seed(step))


def tokens(n: int = 256, d_model: int = 16) -> torch.Tensor:
    return torch.randn(n, d_model, generator=torch.Generator().manual_seed(1)) + 3


def trained(options: TopKOptions, steps: int = 40) -> TopK:
    """Train from a start at which half of the latents are dead."""
    sae, data = build(16, 64, options), tokens()
    sae.initialize(data, torch.Generator().manual_seed(0))
    with torch.no_grad():
        sae.b_enc[:32] -= 2.0
    optimizer = torch.optim.Adam(sae.parameters(), lr=3e-2)
    for step in range(steps):
        sae.before_step()
        optimizer.zero_grad()
        sum(sae.loss(data[step % 4 :: 4], context(step)).values()).backward()
        sae.after_backward()
        optimizer.step()
    return sae


def test_at_most_k_latents_are_active_and_they_are_the_largest():
    sae = trained(TopKOptions(k=3))
    data = tokens()
    latents = sae.encode(data)
    dense = torch.relu((data - sae.b_dec) @ sae.W_enc + sae.b_enc)
    assert (latents > 0).sum(dim=1).max() <= 3
    for row, all_values in zip(latents.detach(), dense.detach(), strict=True):
        expected = all_values.sort(descending=True).values[:3]
        torch.testing.assert_close(row.sort(descending=True).values[:3], expected, atol=1e-5, rtol=1e-4)


BASE = {"k": 4, "dead_feature_window": 2}


@pytest.mark.parametrize(
    "change",
    [{"k": 8}, {"aux_k": 2}, {"aux_coefficient": 1.0}, {"dead_feature_window": 20}, {"b_dec_init": "zero"}],
    ids=str,
)
def test_every_option_changes_the_result(change):
    assert not torch.equal(trained(TopKOptions(**BASE)).W_dec, trained(TopKOptions(**{**BASE, **change})).W_dec)


def test_the_auxiliary_loss_revives_latents():
    def dead(aux_k: int) -> int:
        options = TopKOptions(k=4, aux_k=aux_k, aux_coefficient=0.5, dead_feature_window=2)
        return int((trained(options, steps=120).steps_since_fired > 2).sum())

    assert dead(0) >= 16
    assert dead(8) <= dead(0) / 2


def test_more_latents_than_there_are_cannot_be_kept():
    with pytest.raises(CytosaeError, match="k = 9 of 8"):
        build(16, 8, TopKOptions(k=9))


def test_constant_tokens_have_finite_loss():
    sae = build(16, 64, TopKOptions())
    sae.initialize(tokens(), torch.Generator().manual_seed(0))
    terms = sae.loss(torch.ones(5, 16), context())
    sum(terms.values()).backward()
    assert all(torch.isfinite(term) for term in terms.values())
