"""Gradients against autograd through a dense implementation, on the processor and on a GPU where there is one."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from cytosae_toolkit.training import tokenwise
from cytosae_toolkit.training.tokenwise import Ghosts, Tokenwise
from cytosae_toolkit.training.unit_decoder import UnitDecoderSAE

N, D_MODEL, D_SAE, L1 = 60, 16, 90, 0.02
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


class Plain(UnitDecoderSAE):
    def encode(self, tokens):
        return torch.relu(self.preactivations(tokens))

    def initialize(self, tokens, generator): ...

    def loss(self, tokens, context): ...


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.fixture
def sae(device):
    generator = torch.Generator().manual_seed(0)
    made = Plain(D_MODEL, D_SAE)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
        made.before_step()
    return made.to(device)


@pytest.fixture
def tokens(device):
    return torch.randn(N, D_MODEL, generator=torch.Generator().manual_seed(1)).to(device)


def terms(x_hat: Tensor, x: Tensor, sums: Tensor, n: int = N) -> dict[str, Tensor]:
    error = (x_hat - x).square() / x.norm(dim=1, keepdim=True)
    return {"reconstruction": error.sum() / n, "sparsity": L1 * sums.sum() / n}


def ghost_term(ghost: Tensor, x_hat: Tensor, x: Tensor) -> Tensor:
    return (ghost - (x - x_hat).detach()).square().sum() / N


def gradients(sae, found: dict[str, Tensor]) -> dict[str, Tensor]:
    sae.zero_grad()
    torch.stack(list(found.values())).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in sae.named_parameters()}


def dense(sae, x, ghosts: Tensor | None = None, some: Tensor | None = None) -> dict[str, Tensor]:
    h = sae.preactivations(x)
    z = torch.relu(h)
    x_hat = sae.decode(z)
    found = terms(x_hat, x, z.sum(dim=1))
    if ghosts is not None:
        on = slice(None) if some is None else some
        ghost = torch.exp(h[on][:, ghosts]) @ sae.W_dec[ghosts]
        found["ghost"] = ghost_term(ghost, x_hat[on], x[on])
    return found


def check(sae, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)
    wanted = gradients(sae, expected)
    for name, gradient in gradients(sae, found).items():
        torch.testing.assert_close(
            gradient, wanted[name], rtol=1e-4, atol=1e-5, msg=lambda text, name=name: name + text
        )


@pytest.mark.parametrize("path", ["auto", "sparse", "dense"])
@pytest.mark.parametrize("shift", [-100.0, -3.0, 0.0, 100.0])  # from no latent to all
def test_gradients_equal_autograd_at_every_density(sae, tokens, path, shift):
    sae.b_enc.data += shift
    work = Tokenwise(sae)
    work.relu(tokens, terms, path=path)
    check(sae, work.terms(), dense(sae, tokens))
    assert torch.equal(work.fired, (sae.encode(tokens) > 0).any(dim=0))


@pytest.mark.parametrize("path", ["sparse", "dense"])
@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("pieces", [False, True])
def test_ghosts_equal_autograd(sae, tokens, path, share, pieces, monkeypatch):
    generator = torch.Generator().manual_seed(5)
    sae.b_enc.data -= 1.0
    latents = torch.nonzero(torch.rand(D_SAE, generator=generator) < 0.6)[:, 0].to(tokens.device)
    some = (torch.rand(N, generator=generator) < 0.4).to(tokens.device) if share else None
    if pieces:
        monkeypatch.setattr(tokenwise, "PIECE_TOKENS", 17)
    work = Tokenwise(sae)
    work.relu(tokens, terms, ghosts=Ghosts(latents, ghost_term, some), path=path)
    check(sae, work.terms(), dense(sae, tokens, latents, some))


@pytest.mark.parametrize("pieces", [False, True])
def test_top_k_equals_autograd(sae, tokens, pieces, monkeypatch):
    if pieces:
        monkeypatch.setattr(tokenwise, "PIECE_TOKENS", 17)
    h = sae.preactivations(tokens)
    values, indices = h.topk(5, dim=1)
    z = torch.zeros_like(h).scatter(1, indices, torch.relu(values))
    some = torch.arange(3, D_SAE, 4, device=tokens.device)
    few_values, few = h[:, some].topk(3, dim=1)
    helpers = torch.zeros_like(h[:, some]).scatter(1, few, torch.relu(few_values)) @ sae.W_dec[some]
    goal = tokens - 0.5
    expected = terms(sae.decode(z), tokens, z.sum(dim=1)) | {"more": (helpers - goal).square().sum() / N}

    work = Tokenwise(sae)
    x_hat = work.top(tokens, 5, terms)
    torch.testing.assert_close(x_hat, sae.decode(z))
    work.top(tokens, 3, lambda y, g, sums: {"more": (y - g).square().sum() / N}, latents=some, goal=goal)
    check(sae, work.terms(), expected)
    assert torch.equal(work.fired, (z > 0).any(dim=0))


def test_no_gradients_without_autograd(sae, tokens):
    with torch.no_grad():
        work = Tokenwise(sae)
        work.relu(tokens, terms)
    found = work.terms()
    assert not found["reconstruction"].requires_grad
    torch.testing.assert_close(found["reconstruction"], dense(sae, tokens)["reconstruction"].detach())


def test_scaled_sums_scale_the_gradients(sae, tokens):
    work = Tokenwise(sae)
    work.relu(tokens, terms)
    scaled = gradients(sae, {"all": 3 * torch.stack(list(work.terms().values())).sum()})
    wanted = gradients(sae, dense(sae, tokens))
    for name, gradient in scaled.items():
        torch.testing.assert_close(gradient, 3 * wanted[name], rtol=1e-4, atol=1e-5)


def test_bfloat16_products_stay_near(sae, tokens):
    wanted = gradients(sae, dense(sae, tokens))
    for path in ("sparse", "dense"):
        with torch.autocast(tokens.device.type, dtype=torch.bfloat16):
            work = Tokenwise(sae)
            work.relu(tokens, terms, path=path)
        for name, gradient in gradients(sae, work.terms()).items():
            assert gradient.dtype == torch.float32
            assert float((gradient - wanted[name]).norm() / wanted[name].norm()) < 0.05


def test_auto_follows_the_density(sae, tokens, monkeypatch):
    taken = []
    for name in ("_relu_sparse", "_relu_dense"):
        monkeypatch.setattr(Tokenwise, name, partial(lambda name, *rest: taken.append(name), name))
    for shift in (-100.0, 100.0):
        with torch.no_grad():
            sae.b_enc.fill_(shift)
        Tokenwise(sae).relu(tokens, terms)
    assert taken == ["_relu_sparse" if tokens.device.type == "cpu" else "_relu_dense", "_relu_dense"]


@pytest.mark.parametrize(("n_tokens", "widest", "sizes"), [(10, 0, [10]), (20_000, 0, [6666, 6667, 6667])])
def test_pieces(n_tokens, widest, sizes):
    assert [piece.stop - piece.start for piece in tokenwise._pieces(n_tokens, widest)] == sizes


def test_pieces_keep_wide_tensors_small():
    pieces = tokenwise._pieces(16_448, 49_152)
    assert max(piece.stop - piece.start for piece in pieces) * 49_152 * 4 <= tokenwise.PIECE_BYTES
