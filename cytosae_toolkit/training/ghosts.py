"""Latents that do not fire, brought back: exponential activations that reconstruct what the others leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

GhostTerm = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From a ghost reconstruction, x̂ and x, each [n, d_model], to the share of the ghost term."""


@dataclass(frozen=True)
class Ghosts:
    """Latents that reconstruct the residual with exponential activations, whether they fire or not.

    Parameters
    ----------
    latents : torch.Tensor
        int64 [n], ascending.
    term : callable
        The objective's share.
    tokens : torch.Tensor, optional
        bool [n_tokens], on which tokens of the batch; default on all.
    """

    latents: Tensor
    term: GhostTerm
    tokens: Tensor | None = None

    def on(self, piece: slice) -> Ghosts:
        """Return the same for a piece of the batch."""
        return replace(self, tokens=None if self.tokens is None else self.tokens[piece])


class Exponentials:
    """Collects exp(h) of the ghosts from the blocks of the encoder's product: a product less.

    Parameters
    ----------
    ghosts : Ghosts
        Which latents, and which tokens of this piece.
    bias : torch.Tensor
        float32 [d_sae].
    n_tokens : int
        Tokens of the piece.
    dtype : torch.dtype
        Of the products.
    """

    def __init__(self, ghosts: Ghosts, bias: Tensor, n_tokens: int, dtype: torch.dtype) -> None:
        n = n_tokens if ghosts.tokens is None else int(ghosts.tokens.sum())
        self.ghosts, self._bias = ghosts, bias
        self.activations = bias.new_empty(len(ghosts.latents), n, dtype=dtype)

    def see(self, first: int, block: Tensor) -> None:
        """Take from a block what belongs to ghosts."""
        latents = self.ghosts.latents
        low, high = 0, len(latents)
        if len(block) < len(self._bias):
            bounds = torch.tensor([first, first + len(block)], device=latents.device)
            low, high = torch.searchsorted(latents, bounds).tolist()
        inside = latents[low:high]
        own = self.activations[low:high]
        if self.ghosts.tokens is None:
            torch.index_select(block, 0, inside - first, out=own)
        else:
            own.copy_(block[inside - first][:, self.ghosts.tokens])
        own.add_(self._bias[inside, None]).exp_()
