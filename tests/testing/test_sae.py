"""The SAE's suite finds mistakes; each mutant breaks one promise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cytosae_toolkit.interfaces.sae import SparseAutoencoder, StepContext
from cytosae_toolkit.testing import SAE_CHECKS, run_checks
from cytosae_toolkit.testing.sae import SAESubject


class Plain(SparseAutoencoder):
    """ReLU and an L1 penalty, nothing else."""

    recommended_lr = 1e-3

    def encode(self, tokens: Tensor) -> Tensor:
        return torch.relu((tokens - self.b_dec) @ self.W_enc + self.b_enc)

    def initialize(self, tokens: Tensor, generator: torch.Generator) -> None:
        with torch.no_grad():
            self.b_dec.copy_(tokens.mean(dim=0))
            self.W_dec.normal_(generator=generator)
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)
            self.W_enc.copy_(self.W_dec.T)

    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        x = tokens.reshape(-1, self.d_model)
        latents = self.encode(x)
        self.note_fired((latents > 0).any(dim=0))
        return {
            "reconstruction": (self.decode(latents) - x).square().mean(),
            "sparsity": 1e-3 * latents.sum(-1).mean(),
        }


class Negative(Plain):
    def encode(self, tokens: Tensor) -> Tensor:
        return (tokens - self.b_dec) @ self.W_enc + self.b_enc


class BatchNormalised(Plain):
    def encode(self, tokens: Tensor) -> Tensor:
        return super().encode(tokens) / (1 + tokens.abs().amax())


class DividesByNorm(Plain):
    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        terms = super().loss(tokens, context)
        return terms | {"reconstruction": terms["reconstruction"] + (1e-6 / tokens.norm(dim=-1)).mean()}


class GlobalRandomness(Plain):
    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        return super().loss(tokens + 0.01 * torch.randn_like(tokens), context)


class HiddenState(Plain):
    calls = 0

    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        self.calls += 1
        terms = super().loss(tokens, context)
        return terms | {"sparsity": terms["sparsity"] * self.calls}


class UnusedParameter(Plain):
    def __init__(self, d_model: int, d_sae: int) -> None:
        super().__init__(d_model, d_sae)
        self.threshold = nn.Parameter(torch.zeros(d_sae))


class WeightsNotLoaded(Plain):
    def __init__(self, d_model: int, d_sae: int) -> None:
        super().__init__(d_model, d_sae)
        self.scale = torch.ones(d_sae)

    def initialize(self, tokens: Tensor, generator: torch.Generator) -> None:
        super().initialize(tokens, generator)
        self.scale = self.scale * 2

    def encode(self, tokens: Tensor) -> Tensor:
        return super().encode(tokens) * self.scale


class ForgetsToCount(Plain):
    def note_fired(self, fired: Tensor) -> None: ...


class CountsPersistently(Plain):
    def __init__(self, d_model: int, d_sae: int) -> None:
        super().__init__(d_model, d_sae)
        self.register_buffer("steps_since_fired", torch.zeros(d_sae, dtype=torch.int64), persistent=True)


class Unlearns(Plain):
    recommended_lr = 10.0


class ScalesTwice(Plain):
    def before_step(self) -> None:
        with torch.no_grad():
            self.W_dec *= 0.9


class OtherDecoder(Plain):
    def decode(self, latents: Tensor) -> Tensor:
        return latents @ self.W_dec


class ForgetsTheBias(Plain):
    def encode_latents(self, tokens: Tensor, latents: Tensor) -> Tensor:
        return torch.relu(tokens @ self.W_enc[:, latents])


class Dense(Plain):
    def encode(self, tokens: Tensor) -> Tensor:
        return torch.nn.functional.softplus(super().encode(tokens))


class Vectors(Plain):
    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        return {name: term[None] for name, term in super().loss(tokens, context).items()}


class LeakyDirections(Plain):
    @property
    def decoder_directions(self) -> Any:
        return self.W_dec


def failures(variant: type[SparseAutoencoder]) -> set[str]:
    return {o.name for o in run_checks(SAE_CHECKS, SAESubject(variant, 16, 64)) if o.state == "failed"}


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (Negative, "latents are float32 of the promised shape, never negative"),
        (BatchNormalised, "a token's latents do not depend on its neighbours"),
        (DividesByNorm, "tokens of zeros give finite losses and gradients"),
        (GlobalRandomness, "the given generator is the only randomness"),
        (HiddenState, "training resumes exactly from parameters, buffers and optimiser"),
        (UnusedParameter, "gradients reach every parameter"),
        (WeightsNotLoaded, "weights survive safetensors"),
        (ForgetsToCount, "the loss counts the steps since each latent fired"),
        (CountsPersistently, "firing counters are int64 and not part of the weights"),
        (Unlearns, "training lowers the reconstruction error"),
        (ScalesTwice, "before_step repeated changes nothing"),
        (OtherDecoder, "decode is latents @ W_dec + b_dec"),
        (ForgetsTheBias, "encoding some latents equals encoding all of them"),
        (Dense, "some latents fire and some do not"),
        (Vectors, "the loss is a mapping of finite scalars with a gradient"),
        (LeakyDirections, "decoder directions are detached rows in token space"),
    ],
)
def test_a_mistake_is_found(mutant: type[SparseAutoencoder], promise: str) -> None:
    assert promise in failures(mutant)


def test_a_plain_sae_passes() -> None:
    assert not failures(Plain)
