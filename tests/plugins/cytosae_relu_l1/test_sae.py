from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cytosae_relu_l1 import ReluL1Options
from cytosae_relu_l1.sae import ReluL1, build

from cytosae_toolkit.interfaces.sae import StepContext
from cytosae_toolkit.testing import SAEConformance

PARAMETERS = ("W_enc", "b_enc", "W_dec", "b_dec")


class TestConformance(SAEConformance):
    def create(self, d_model, d_sae):
        return build(d_model, d_sae, ReluL1Options())


def context(step: int = 0) -> StepContext:
    return StepContext(step, torch.Generator().manual_seed(step))


@pytest.fixture(scope="module")
def published():
    """Twelve training steps of the published implementation, as numbers."""
    with np.load(Path(__file__).with_name("published_steps.npz"), allow_pickle=False) as numbers:
        return dict(numbers)


def with_weights(published, prefix: str) -> ReluL1:
    options = ReluL1Options(
        l1_coefficient=float(published["l1_coefficient"]),
        dead_feature_window=int(published["dead_feature_window"]),
    )
    sae = build(32, 256, options)
    set_weights(sae, published, prefix)
    return sae


def set_weights(sae: ReluL1, published, prefix: str) -> None:
    with torch.no_grad():
        for name in PARAMETERS:
            getattr(sae, name).copy_(torch.from_numpy(published[prefix + name]))


def relative_error(ours: torch.Tensor, theirs: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max())


def replay(sae: ReluL1, published, watch):
    """Train as published; `watch(step, gradients)` sees what the optimiser sees. Return the history."""
    optimizer = torch.optim.Adam(sae.parameters(), lr=float(published["lr"]))
    history = []
    for step, x in enumerate(torch.from_numpy(published["x"])):
        optimizer.param_groups[0]["lr"] = float(published["lr"]) * (step + 1) / int(published["lr_warm_up_steps"])
        n_dead = int((sae.steps_since_fired > sae.options.dead_feature_window).sum())
        sae.before_step()
        with torch.no_grad():
            l0 = (sae.encode(x) > 0).sum(dim=-1).float().mean().item()
        terms = sae.loss(x, context(step))
        optimizer.zero_grad()
        sum(terms.values()).backward()
        sae.after_backward()
        watch(step, {name: getattr(sae, name).grad.clone() for name in PARAMETERS})
        values = {name: term.item() for name, term in terms.items()}
        row = [sum(values.values()), values["reconstruction"], values["sparsity"], values.get("ghost", 0.0), l0, n_dead]
        history.append(row)
        optimizer.step()
        sae.after_step()
    return np.array(history)


def test_twelve_published_steps(published):
    sae, gradients = with_weights(published, "init_"), {}
    history = replay(sae, published, lambda step, grads: gradients.update({step: grads}))
    expected = published["history"]
    assert np.abs(history - expected).max() / np.abs(expected).max() <= 1e-5
    np.testing.assert_array_less(np.abs(history - expected) / np.abs(expected).max(axis=0), 1e-5)
    for name in PARAMETERS:
        assert relative_error(gradients[0][name], published[f"grad0_{name}"]) <= 1e-5
        assert relative_error(gradients[4][name], published[f"grad4_{name}"]) <= 5e-4
        assert relative_error(getattr(sae, name), published[f"final_{name}"]) <= 1e-4


def test_shared_witness_is_the_copied_one(shared_data, published):
    with np.load(shared_data / "parity" / "relu_l1_steps.npz", allow_pickle=False) as shared:
        assert set(shared) == set(published)
        assert all(np.array_equal(shared[name], published[name]) for name in shared)


def test_first_step_with_ghost_grads_from_published_weights(published):
    sae = with_weights(published, "init_")
    for x in torch.from_numpy(published["x"][:4]):
        sae.loss(x, context())  # only the counters matter here; they depend on firing alone
    set_weights(sae, published, "before4_")
    sae.before_step()
    terms = sae.loss(torch.from_numpy(published["x"][4]), context(4))
    assert terms["ghost"].item() == pytest.approx(published["history"][4, 3], rel=1e-4)


def test_default_penalty_is_in_proportion_to_the_token_length():
    assert build(768, 4, ReluL1Options()).l1_coefficient == pytest.approx(8e-5)
    assert build(192, 4, ReluL1Options()).l1_coefficient == pytest.approx(3.2e-4)
    assert build(192, 4, ReluL1Options(l1_coefficient=8e-5)).l1_coefficient == 8e-5


def test_encode_is_equation_1(published):
    sae = with_weights(published, "init_")
    x = torch.from_numpy(published["x"][0])
    direct = torch.relu((x - sae.b_dec) @ sae.W_enc + sae.b_enc)
    torch.testing.assert_close(sae.encode(x), direct, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.decode(direct), direct @ sae.W_dec + sae.b_dec)


def test_decoder_gradient_has_no_part_along_the_rows(published):
    sae = with_weights(published, "init_")
    sae.before_step()
    sum(sae.loss(torch.from_numpy(published["x"][0]), context()).values()).backward()
    sae.after_backward()
    parallel = (sae.W_dec.grad * sae.W_dec).sum(dim=1)
    assert parallel.abs().max() <= 1e-6 * sae.W_dec.grad.abs().max()


def tokens(n: int = 256, d_model: int = 16) -> torch.Tensor:
    return torch.randn(n, d_model, generator=torch.Generator().manual_seed(1)) + 3


def trained(options: ReluL1Options, steps: int = 40) -> ReluL1:
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


BASE = {"l1_coefficient": 0.5, "dead_feature_window": 2}


@pytest.mark.parametrize(
    "change",
    [
        {"l1_coefficient": 0.1},
        {"ghost_grads": False},
        {"dead_feature_window": 10},
        {"b_dec_init": "mean"},
        {"b_dec_init": "zero"},
        {"encoder_init": "independent"},
    ],
    ids=str,
)
def test_every_option_changes_the_result(change):
    assert not torch.equal(trained(ReluL1Options(**BASE)).W_dec, trained(ReluL1Options(**{**BASE, **change})).W_dec)


def test_ghost_grads_revive_latents():
    def dead(ghost_grads: bool) -> int:
        options = ReluL1Options(l1_coefficient=1e-3, dead_feature_window=2, ghost_grads=ghost_grads)
        return int((trained(options, steps=120).steps_since_fired > 2).sum())

    assert dead(False) >= 16
    assert dead(True) <= 4


def test_b_dec_starts_at_the_geometric_median():
    sae, data = build(16, 8, ReluL1Options()), tokens()
    data[0] += 1e4  # an outlier moves the mean, not the geometric median
    sae.initialize(data, torch.Generator().manual_seed(0))
    assert (sae.b_dec.detach() - data[1:].mean(dim=0)).norm() < 0.5
    assert (data.mean(dim=0) - data[1:].mean(dim=0)).norm() > 10


def test_a_zero_token_has_finite_loss_and_gradient():
    sae = build(16, 64, ReluL1Options(dead_feature_window=1))
    sae.initialize(tokens(), torch.Generator().manual_seed(0))
    sae.steps_since_fired += 5
    terms = sae.loss(torch.zeros(3, 16), context())
    assert "ghost" in terms
    sum(terms.values()).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in sae.parameters())
