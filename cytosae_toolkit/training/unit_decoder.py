"""The base that most variants share: one affine encoder, decoder rows of unit norm."""

from __future__ import annotations

import torch
from torch import Tensor

from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.dictionary import (
    center_of,
    kaiming_uniform_,
    normalize_rows_,
    remove_parallel_gradient_,
)


class UnitDecoderSAE(SparseAutoencoder):
    """A sparse autoencoder with pre-activations W_enc (x - b_dec) + b_enc and decoder rows of unit norm.

    Rows are normalised before every step, and the gradient's part along a row is removed, so that a step turns a
    direction and does not stretch it. Subclasses define `encode`, `initialize` and `loss`.
    """

    def preactivations(self, tokens: Tensor) -> Tensor:
        """Return W_enc (x - b_dec) + b_enc, float32 [..., d_sae], of tokens float32 [..., d_model].

        Computed as W_enc x + (b_enc - W_enc b_dec): the same values and gradients, one pass less over the batch.
        """
        bias = self.b_enc - self.b_dec @ self.W_enc
        flat = torch.addmm(bias, tokens.reshape(-1, self.d_model), self.W_enc)
        return flat.reshape(*tokens.shape[:-1], self.d_sae)

    @torch.no_grad()
    def initialize_tied(
        self, tokens: Tensor, generator: torch.Generator, *, center: str = "geometric_median", scale: float = 1.0
    ) -> None:
        """Start from the centre of the tokens, random unit directions, and an encoder along them.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [n, d_model].
        generator : torch.Generator
            Source of randomness.
        center : str
            Where `b_dec` starts; see `center_of`.
        scale : float
            W_enc = scale · W_decᵀ.
        """
        self.b_dec.copy_(center_of(tokens, center))
        self.b_enc.zero_()
        kaiming_uniform_(self.W_dec, self.d_model, generator)
        normalize_rows_(self.W_dec)
        self.W_enc.copy_(scale * self.W_dec.T)

    def before_step(self) -> None:
        """Give decoder rows unit norm."""
        normalize_rows_(self.W_dec)

    def after_backward(self) -> None:
        """Remove the gradient along decoder rows."""
        remove_parallel_gradient_(self.W_dec)
