"""Checks of the sparse autoencoder's contract."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from cytosae_toolkit.interfaces.sae import SparseAutoencoder, StepContext
from cytosae_toolkit.testing.checks import Checks, require

N_TOKENS = 512
N_STEPS = 30
N_CAUSES = 48
"""Directions that the synthetic tokens are made of."""


@dataclass(frozen=True)
class SAESubject:
    """The variant under test.

    Parameters
    ----------
    create : callable
        Returns an untrained SAE for ``(d_model, d_sae)``.
    d_model, d_sae : int
        Sizes of the checks.
    """

    create: Callable[[int, int], SparseAutoencoder]
    d_model: int
    d_sae: int

    def make(self) -> SparseAutoencoder:
        """Return an SAE with initialised parameters."""
        sae = self.create(self.d_model, self.d_sae)
        sae.initialize(self.tokens(), torch.Generator().manual_seed(0))
        return sae

    def tokens(self, n: int = N_TOKENS, seed: int = 0) -> Tensor:
        """Return sparse sums of fixed directions around a mean, float32 [n, d_model]."""
        causes = torch.randn(N_CAUSES, self.d_model, generator=torch.Generator().manual_seed(99))
        causes /= causes.norm(dim=1, keepdim=True)
        generator = torch.Generator().manual_seed(seed)
        active = torch.rand(n, N_CAUSES, generator=generator) < 0.08
        strengths = 1 + 2 * torch.rand(n, N_CAUSES, generator=generator)
        return (strengths * active) @ causes + 0.3 + 0.02 * torch.randn(n, self.d_model, generator=generator)


_checks: Checks[SAESubject] = Checks()
SAE_CHECKS = _checks.all


def _context(step: int) -> StepContext:
    return StepContext(step, torch.Generator().manual_seed(1000 + step))


def _adam(sae: SparseAutoencoder) -> torch.optim.Adam:
    return torch.optim.Adam(sae.parameters(), lr=sae.recommended_lr)


def _objective(sae: SparseAutoencoder, tokens: Tensor, step: int) -> Tensor:
    sae.before_step()
    return torch.stack(list(sae.loss(tokens, _context(step)).values())).sum()


def _train(sae: SparseAutoencoder, adam: torch.optim.Adam, subject: SAESubject, first: int, last: int) -> None:
    """Do the steps from `first` to before `last`, each on tokens that depend on its number alone."""
    for step in range(first, last):
        adam.zero_grad()
        _objective(sae, subject.tokens(seed=step), step).backward()  # type: ignore[no-untyped-call]
        sae.after_backward()
        adam.step()
        sae.after_step()
    sae.before_step()


@torch.no_grad()
def _error(sae: SparseAutoencoder, tokens: Tensor) -> float:
    return float((sae.decode(sae.encode(tokens)) - tokens).square().mean())


def _require_shape(tensor: Tensor, shape: tuple[int, ...], what: str) -> None:
    require(tuple(tensor.shape) == shape, f"{what} has shape {tuple(tensor.shape)} instead of {shape}")


@_checks.add("parameters have the published names and shapes")
def _parameters(subject: SAESubject) -> None:
    sae = subject.make()
    weights = sae.state_dict()
    expected = {
        "W_enc": (subject.d_model, subject.d_sae),
        "b_enc": (subject.d_sae,),
        "W_dec": (subject.d_sae, subject.d_model),
        "b_dec": (subject.d_model,),
    }
    for name, shape in expected.items():
        require(name in weights, f"the state dict lacks {name}")
        _require_shape(weights[name], shape, name)
        require(weights[name].dtype == torch.float32, f"{name} is {weights[name].dtype}, not float32")
    for name, value in weights.items():
        require(bool(torch.isfinite(value).all()), f"{name} is not finite after initialize()")


@_checks.add("firing counters are int64 and not part of the weights")
def _counters(subject: SAESubject) -> None:
    sae = subject.make()
    _require_shape(sae.steps_since_fired, (subject.d_sae,), "steps_since_fired")
    require(sae.steps_since_fired.dtype == torch.int64, f"steps_since_fired is {sae.steps_since_fired.dtype}")
    require("steps_since_fired" in dict(sae.named_buffers()), "steps_since_fired is no buffer")
    require("steps_since_fired" not in sae.state_dict(), "steps_since_fired is part of the state dict")


@_checks.add("latents are float32 of the promised shape, never negative")
def _encode(subject: SAESubject) -> None:
    sae, tokens = subject.make(), subject.tokens(24)
    with torch.no_grad():
        latents = sae.encode(tokens)
        folded = sae.encode(tokens.reshape(2, 3, 4, -1))
        nothing = sae.encode(tokens[:0])
    _require_shape(latents, (24, subject.d_sae), "encode() of [24, d_model]")
    _require_shape(folded, (2, 3, 4, subject.d_sae), "encode() of [2, 3, 4, d_model]")
    _require_shape(nothing, (0, subject.d_sae), "encode() of no tokens")
    require(latents.dtype == torch.float32, f"encode() returns {latents.dtype}, not float32")
    require(bool(torch.isfinite(latents).all()), "encode() is not finite")
    require(bool((latents >= 0).all()), "encode() returns negative latents")
    same = torch.allclose(folded.reshape(24, -1), latents, rtol=1e-4, atol=1e-5)
    require(same, "encode() depends on how the tokens are arranged")


@_checks.add("some latents fire and some do not")
def _sparse(subject: SAESubject) -> None:
    with torch.no_grad():
        share = float((subject.make().encode(subject.tokens()) > 0).float().mean())
    require(0 < share < 1, f"{100 * share:.0f} % of the latents are active on synthetic tokens")


@_checks.add("a token's latents do not depend on its neighbours")
@torch.no_grad()
def _neighbours(subject: SAESubject) -> None:
    sae, tokens = subject.make().eval(), subject.tokens(64)
    together, alone = sae.encode(tokens), sae.encode(tokens[5:6])
    same = torch.allclose(together[5:6], alone, rtol=1e-4, atol=1e-5)
    require(same, "a token has other latents alone than among other tokens")


@_checks.add("encoding some latents equals encoding all of them")
@torch.no_grad()
def _encode_latents(subject: SAESubject) -> None:
    sae, tokens = subject.make().eval(), subject.tokens(24)
    wanted = torch.tensor([subject.d_sae - 1, 0, subject.d_sae // 2, 0])
    everything = sae.encode(tokens)
    most_active = everything.sum(dim=0).argsort(descending=True)[:8]
    for latents in (wanted, most_active):
        some = sae.encode_latents(tokens.reshape(2, 12, -1), latents)
        _require_shape(some, (2, 12, len(latents)), f"encode_latents() of [2, 12, d_model] and {len(latents)} latents")
        same = torch.allclose(some.reshape(24, -1), everything[:, latents], rtol=1e-4, atol=1e-5)
        require(same, "encode_latents() differs from encode()")


@_checks.add("the non-zero latents alone equal encoding")
@torch.no_grad()
def _encode_sparse(subject: SAESubject) -> None:
    sae, tokens = subject.make().eval(), subject.tokens(24)
    codes = sae.encode_sparse(tokens)
    found = torch.zeros(24, subject.d_sae)
    found[codes.token.long(), codes.latent.long()] = codes.value
    require(torch.allclose(found, sae.encode(tokens), rtol=1e-4, atol=1e-5), "encode_sparse() differs from encode()")


@_checks.add("decode is latents @ W_dec + b_dec")
@torch.no_grad()
def _decode(subject: SAESubject) -> None:
    sae = subject.make()
    latents = sae.encode(subject.tokens(12)).reshape(3, 4, subject.d_sae)
    decoded = sae.decode(latents)
    _require_shape(decoded, (3, 4, subject.d_model), "decode() of [3, 4, d_sae]")
    require(decoded.dtype == torch.float32, f"decode() returns {decoded.dtype}, not float32")
    expected = latents @ sae.state_dict()["W_dec"] + sae.state_dict()["b_dec"]
    require(torch.allclose(decoded, expected, rtol=1e-4, atol=1e-5), "decode() is not latents @ W_dec + b_dec")


@_checks.add("decoder directions are detached rows in token space")
def _directions(subject: SAESubject) -> None:
    directions = subject.make().decoder_directions
    _require_shape(directions, (subject.d_sae, subject.d_model), "decoder_directions")
    require(not directions.requires_grad, "decoder_directions carry a gradient")


@_checks.add("the loss is a mapping of finite scalars with a gradient")
def _loss(subject: SAESubject) -> None:
    sae = subject.make()
    for tokens in (subject.tokens(60), subject.tokens(60).reshape(4, 15, -1)):
        terms = sae.loss(tokens, _context(0))
        require(len(terms) > 0, "loss() returns no term")
        for name, term in terms.items():
            require(term.ndim == 0, f"the loss term {name!r} has shape {tuple(term.shape)}, not that of a scalar")
            require(bool(torch.isfinite(term)), f"the loss term {name!r} is {float(term.detach())}")
        require(next(iter(terms.values())).requires_grad, "the first loss term carries no gradient")


@_checks.add("gradients reach every parameter")
def _gradients(subject: SAESubject) -> None:
    sae = subject.make()
    _objective(sae, subject.tokens(), 0).backward()  # type: ignore[no-untyped-call]
    sae.after_backward()
    for name, parameter in sae.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            require(gradient is not None, f"{name} gets no gradient")
            require(gradient is not None and bool(torch.isfinite(gradient).all()), f"{name}: gradient not finite")
            require(gradient is not None and bool(gradient.any()), f"the gradient of {name} is zero everywhere")


@_checks.add("tokens of zeros give finite losses and gradients")
def _zero_token(subject: SAESubject) -> None:
    some = subject.tokens(16)
    some[3] = 0
    for tokens, what in ((some, "a token of zeros"), (torch.zeros_like(some), "nothing but zeros")):
        sae = subject.make()
        objective = _objective(sae, tokens, 0)
        require(bool(torch.isfinite(objective)), f"the loss is {float(objective.detach())} with {what}")
        objective.backward()  # type: ignore[no-untyped-call]
        sae.after_backward()
        finite = all(bool(torch.isfinite(p.grad).all()) for p in sae.parameters() if p.grad is not None)
        require(finite, f"gradients are not finite with {what}")


@_checks.add("the loss counts the steps since each latent fired")
def _firing(subject: SAESubject) -> None:
    sae = subject.make()
    for step in range(2):
        before = sae.steps_since_fired.clone()
        sae.loss(subject.tokens(seed=step), _context(step))
        after = sae.steps_since_fired
        right = ((after == 0) | (after == before + 1)).all()
        require(bool(right), "after a loss, steps_since_fired is neither 0 nor one more than before")
        require(bool((after == 0).any()), "a latent fires, but steps_since_fired is 0 for none")
    sae.loss(subject.tokens(1), _context(2))
    silent = sae.encode(subject.tokens(1)).amax(dim=0) == 0
    require(bool((sae.steps_since_fired[silent] > 0).all()), "latents that did not fire count as fired")


@_checks.add("training lowers the reconstruction error")
def _learns(subject: SAESubject) -> None:
    sae, tokens = subject.make(), subject.tokens(seed=12345)
    sae.before_step()
    before = _error(sae, tokens)
    _train(sae, _adam(sae), subject, 0, N_STEPS)
    after = _error(sae, tokens)
    require(after < before, f"the error on fresh tokens went from {before:.4g} to {after:.4g} in {N_STEPS} steps")


@_checks.add("before_step repeated changes nothing")
def _idempotent(subject: SAESubject) -> None:
    sae = subject.make()
    _train(sae, _adam(sae), subject, 0, 3)
    once = {name: value.clone() for name, value in sae.state_dict().items()}
    sae.before_step()
    for name, value in sae.state_dict().items():
        require(torch.allclose(value, once[name], rtol=1e-5, atol=1e-7), f"before_step() twice changes {name}")


@_checks.add("the given generator is the only randomness")
def _deterministic(subject: SAESubject) -> None:
    results = []
    for seed in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sae = subject.make()
            _train(sae, _adam(sae), subject, 0, 3)
        results.append(sae.state_dict())
    for name, value in results[0].items():
        require(torch.equal(value, results[1][name]), f"{name} depends on PyTorch's global random state")


@_checks.add("training resumes exactly from parameters, buffers and optimiser")
def _resumes(subject: SAESubject) -> None:
    sae = subject.make()
    adam = _adam(sae)
    _train(sae, adam, subject, 0, 3)
    resumed = subject.create(subject.d_model, subject.d_sae)
    with torch.no_grad():
        for name, tensor in [*resumed.named_parameters(), *resumed.named_buffers()]:
            tensor.copy_({**dict(sae.named_parameters()), **dict(sae.named_buffers())}[name])
    other = _adam(resumed)
    other.load_state_dict(deepcopy(adam.state_dict()))
    _train(sae, adam, subject, 3, 5)
    _train(resumed, other, subject, 3, 5)
    for name, value in sae.state_dict().items():
        same = torch.equal(value, resumed.state_dict()[name])
        require(same, f"{name} differs after resuming: state is kept outside of parameters and buffers")


@_checks.add("weights survive safetensors")
def _safetensors(subject: SAESubject) -> None:
    from safetensors.torch import load, save

    sae, tokens = subject.make(), subject.tokens(40)
    _train(sae, _adam(sae), subject, 0, 2)
    saved = save({name: value.contiguous() for name, value in sae.state_dict().items()})
    loaded = subject.create(subject.d_model, subject.d_sae)
    loaded.load_state_dict(load(saved))
    with torch.no_grad():
        same = torch.equal(loaded.encode(tokens), sae.encode(tokens))
    require(same, "an SAE loaded from its saved weights encodes differently")
