"""The published training algorithm in plain dense PyTorch, written to be compared with.

Every product touches all latents, autograd keeps every tensor of [tokens, d_sae], Adam is PyTorch's default. The
mathematics are those of `relu-l1` in its published settings (CytoSAE, Eq. 1, ghost gradients).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

L1, DEAD_WINDOW = 8e-5, 64


class PublishedSAE(nn.Module):
    """A dense ReLU SAE with L1 penalty and ghost gradients.

    Parameters
    ----------
    d_model, d_sae : int
        Sizes.
    ghosts : bool
        Ghost gradients for dead latents.
    """

    steps_since_fired: Tensor

    def __init__(self, d_model: int, d_sae: int, *, ghosts: bool) -> None:
        super().__init__()
        self.W_enc = nn.Parameter(torch.zeros(d_model, d_sae))
        self.b_enc = nn.Parameter(torch.zeros(d_sae))
        self.W_dec = nn.Parameter(torch.zeros(d_sae, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        self.ghosts = ghosts
        self.register_buffer("steps_since_fired", torch.zeros(d_sae, dtype=torch.int64))

    def loss(self, x: Tensor) -> Tensor:
        """Return the objective of tokens float32 [n, d_model], a scalar."""
        hidden = (x - self.b_dec) @ self.W_enc + self.b_enc
        latents = torch.relu(hidden)
        x_hat = latents @ self.W_dec + self.b_dec
        error = (x_hat - x).square() / x.norm(dim=1, keepdim=True)
        total = error.mean() + L1 * latents.sum(dim=1).mean()
        dead = self.steps_since_fired > DEAD_WINDOW
        self.steps_since_fired += 1
        self.steps_since_fired[(latents.detach() > 0).any(dim=0)] = 0
        if self.ghosts and bool(dead.any()):
            residual = (x - x_hat).detach()
            ghost = torch.exp(hidden[:, dead]) @ self.W_dec[dead]
            scale = residual.norm(dim=1, keepdim=True) / (1e-6 + 2 * ghost.norm(dim=1, keepdim=True))
            ghost_error = (ghost * scale.detach() - residual).square() / residual.norm(dim=1, keepdim=True)
            rescaling = (error / (ghost_error + 1e-6)).detach()
            total = total + (rescaling * ghost_error).mean()
        return total

    def step(self, x: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Do one training step."""
        with torch.no_grad():
            self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)
        optimizer.zero_grad()
        self.loss(x).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            gradient = self.W_dec.grad
            assert gradient is not None
            gradient -= (gradient * self.W_dec).sum(dim=1, keepdim=True) * self.W_dec
        optimizer.step()
