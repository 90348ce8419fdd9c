"""JumpReLU (Rajamanoharan et al., "Jumping Ahead", 2024): a learned threshold per latent and an L0 penalty."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cytosae_example_plugin import JumpReLUOptions
from cytosae_toolkit.interfaces.sae import SparseAutoencoder, StepContext


class _Step(torch.autograd.Function):
    """1(z > θ), whose gradient with respect to θ is estimated by a rectangular kernel."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, threshold: Tensor, bandwidth: float) -> Tensor:
        ctx.save_for_backward(z, threshold)
        ctx.bandwidth = bandwidth
        return (z > threshold).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        z, threshold = ctx.saved_tensors
        near = ((z - threshold).abs() < ctx.bandwidth / 2).to(z.dtype)
        return None, (-(near / ctx.bandwidth) * grad).sum(dim=0), None


class JumpReLU(SparseAutoencoder):
    """f(x) = z · 1(z > θ) with z = ReLU(W_enc (x - b_dec) + b_enc) and θ > 0 learned as its logarithm.

    Parameters
    ----------
    d_model, d_sae : int
        Length of a token; number of latents.
    options : JumpReLUOptions
        Penalty, initial threshold, bandwidth.
    """

    recommended_lr = 1e-3

    def __init__(self, d_model: int, d_sae: int, options: JumpReLUOptions) -> None:
        super().__init__(d_model, d_sae)
        self.options = options
        self.log_threshold = nn.Parameter(torch.full((d_sae,), options.threshold).log())

    def _preactivations(self, tokens: Tensor) -> Tensor:
        return torch.relu((tokens - self.b_dec) @ self.W_enc + self.b_enc)

    def encode(self, tokens: Tensor) -> Tensor:
        """Return latents above their threshold."""
        z = self._preactivations(tokens)
        return z * (z > self.log_threshold.exp())

    def initialize(self, tokens: Tensor, generator: torch.Generator) -> None:
        """Start from the mean token and random unit directions, encoder tied to decoder."""
        with torch.no_grad():
            self.b_dec.copy_(tokens.mean(dim=0))
            self.W_dec.copy_(torch.randn(self.d_sae, self.d_model, generator=generator))
            self.before_step()
            self.W_enc.copy_(self.W_dec.T)

    @torch.no_grad()
    def before_step(self) -> None:
        """Give decoder rows unit norm."""
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True).clamp_min(1e-12)

    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        """Return the mean squared error per token and the weighted expected L0."""
        x = tokens.reshape(-1, self.d_model)
        z, threshold = self._preactivations(x), self.log_threshold.exp()
        gate = _Step.apply(z, threshold, self.options.bandwidth)
        self.note_fired((gate.detach() > 0).any(dim=0))
        return {
            "reconstruction": (self.decode(z * gate) - x).square().sum(dim=-1).mean(),
            "sparsity": self.options.sparsity * gate.sum(dim=-1).mean(),
        }


def build(d_model: int, d_sae: int, options: JumpReLUOptions) -> JumpReLU:
    """Create the variant."""
    return JumpReLU(d_model, d_sae, options)
