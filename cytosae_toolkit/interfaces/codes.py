"""Latents as their non-zeros, latent by latent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Codes:
    """Non-zero latents of `n_tokens` tokens, sorted by latent, then by token.

    Parameters
    ----------
    n_tokens, d_sae : int
        Shape of what they stand for.
    start : torch.Tensor
        int32 [d_sae + 1], where the entries of each latent begin.
    token : torch.Tensor
        int32 [nnz], token of each entry.
    value : torch.Tensor
        float32 [nnz], the activation.
    """

    n_tokens: int
    d_sae: int
    start: Tensor
    token: Tensor
    value: Tensor

    def __len__(self) -> int:
        return len(self.token)

    @property
    def density(self) -> float:
        """Share of non-zeros."""
        return len(self) / max(1, self.n_tokens * self.d_sae)

    @property
    def fired(self) -> Tensor:
        """Which latents have an entry, bool [d_sae]."""
        return self.start[1:] > self.start[:-1]

    @classmethod
    def from_dense(cls, latents: Tensor) -> Codes:
        """Return the non-zeros of latents float32 [n_tokens, d_sae]."""
        latent, token = torch.nonzero(latents.T, as_tuple=True)
        n_tokens, d_sae = latents.shape
        values = latents[token, latent].float()
        return cls(n_tokens, d_sae, starts(latent, d_sae), token.to(torch.int32), values)

    def dense(self) -> Tensor:
        """Return all latents, float32 [n_tokens, d_sae]."""
        dense = torch.zeros(self.n_tokens, self.d_sae, device=self.value.device)
        dense[self.token.long(), self.latent.long()] = self.value
        return dense

    @cached_property
    def latent(self) -> Tensor:
        """Latent of each entry, int32 [nnz]."""
        latents = torch.arange(self.d_sae, dtype=torch.int32, device=self.start.device)
        return torch.repeat_interleave(latents, torch.diff(self.start).long(), output_size=len(self))

    @cached_property
    def by_token(self) -> tuple[Tensor, Tensor]:
        """Order of the entries by token, then by latent, int64 [nnz]; where each token begins, int32 [n_tokens + 1]."""
        order = stable_order(self.token, self.n_tokens)
        return order, starts(self.token, self.n_tokens)


def stable_order(keys: Tensor, bound: int) -> Tensor:
    """Return the stable order of whole numbers 0 … `bound` - 1, int64; small ones are sorted in linear time."""
    if keys.device.type == "cpu":
        small = keys.numpy().astype(np.uint16) if bound <= 1 << 16 else keys.numpy()
        return torch.from_numpy(np.argsort(small, kind="stable"))
    return torch.argsort(keys, stable=True)


def starts(keys: Tensor, bound: int) -> Tensor:
    """Return where each of the keys 0 … `bound` - 1 would begin if they were sorted, int32 [bound + 1]."""
    counts = torch.bincount(keys, minlength=bound)
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0)).to(torch.int32)
