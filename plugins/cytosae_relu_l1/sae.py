"""ReLU sparse autoencoder with L1 penalty and ghost gradients (CytoSAE, Dasdelen et al., MICCAI 2025, Eq. 1)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from cytosae_relu_l1 import ReluL1Options
from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.interfaces.sae import StepContext
from cytosae_toolkit.training.dictionary import kaiming_uniform_
from cytosae_toolkit.training.sparse_codes import positive_codes
from cytosae_toolkit.training.tokenwise import Ghosts, Terms, Tokenwise, step_bytes
from cytosae_toolkit.training.unit_decoder import UnitDecoderSAE

PUBLISHED_L1 = 8e-5
PUBLISHED_D_MODEL = 768
TINY = 1e-12


class ReluL1(UnitDecoderSAE):
    """z = ReLU(W_enc (x - b_dec) + b_enc), x̂ = W_dec z + b_dec (Eq. 1).

    The objective is the mean over tokens and dimensions of (x̂ - x)² / ‖x‖, plus λ times the mean over tokens of
    Σ_s z_s, plus the ghost term while there are dead latents. Decoder rows have unit norm.

    Parameters
    ----------
    d_model, d_sae : int
        Length of a token; number of latents.
    options : ReluL1Options
        λ, ghost gradients, window, initialisation.
    """

    step_products = 2.5
    recommended_lr = 1e-3  # for runs of hundreds to thousands of steps; the published 4e-4 belongs to 15,625 steps

    def __init__(self, d_model: int, d_sae: int, options: ReluL1Options) -> None:
        super().__init__(d_model, d_sae)
        self.options = options
        given = options.l1_coefficient
        self.l1_coefficient = PUBLISHED_L1 * PUBLISHED_D_MODEL / d_model if given is None else given

    def step_bytes(self, n_tokens: int) -> int:
        """Return the bytes of a step; see `cytosae_toolkit.training.tokenwise`."""
        return step_bytes(n_tokens, self.d_model, self.d_sae)

    def encode(self, tokens: Tensor) -> Tensor:
        """Return latents float32 [..., d_sae] of tokens float32 [..., d_model]."""
        return torch.relu(self.preactivations(tokens))

    def encode_latents(self, tokens: Tensor, latents: Tensor) -> Tensor:
        """Return some latents float32 [..., n] of tokens: one product with n columns of the encoder."""
        weights = self.W_enc[:, latents]
        return torch.relu(tokens @ weights + (self.b_enc[latents] - self.b_dec @ weights))

    def encode_sparse(self, tokens: Tensor) -> Codes:
        """Return the positive latents of tokens float32 [n, d_model], found block by block."""
        with torch.no_grad():
            return positive_codes(tokens - self.b_dec, self.W_enc.T.contiguous(), self.b_enc)

    def initialize(self, tokens: Tensor, generator: torch.Generator) -> None:
        """Start from the centre of the tokens and random directions; see `ReluL1Options`."""
        # half of the latents fire at first; the factor makes their sum about as long as the token
        scale = min(1.0, 2 * self.d_model / self.d_sae)
        self.initialize_tied(tokens, generator, center=self.options.b_dec_init, scale=scale)
        if self.options.encoder_init == "independent":
            kaiming_uniform_(self.W_enc, self.d_sae, generator)  # fan-in d_sae, as published

    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        """Return `reconstruction`, `sparsity` (λ included) and, with dead latents, `ghost` (rescaled)."""
        x = tokens.reshape(-1, self.d_model)
        work = Tokenwise(self)
        work.relu(x, self._terms(len(x)), ghosts=self._ghosts(x, context), path=self.options.path)
        self.note_fired(work.fired)
        return work.terms()

    def _terms(self, n_tokens: int) -> Terms:
        """Return what computes the share of some of `n_tokens` tokens in the objective."""

        def terms(x_hat: Tensor, x: Tensor, sums: Tensor) -> dict[str, Tensor]:
            return {
                "reconstruction": _squared_error(x_hat, x).sum() / (n_tokens * self.d_model),
                "sparsity": self.l1_coefficient * sums.sum() / n_tokens,
            }

        return terms

    def _ghosts(self, x: Tensor, context: StepContext) -> Ghosts | None:
        """Return the dead latents with their term, or None where there are none."""
        if not self.options.ghost_grads:
            return None
        dead = torch.nonzero(self.steps_since_fired > self.options.dead_feature_window)[:, 0]
        if not len(dead):
            return None
        share = self.options.ghost_share
        if share == 1:
            return Ghosts(dead, partial(_ghost_term, n_tokens=len(x)))
        n = max(1, round(share * len(x)))
        chosen = torch.zeros(len(x), dtype=torch.bool)
        chosen[torch.randperm(len(x), generator=context.generator)[:n]] = True
        return Ghosts(dead, partial(_ghost_term, n_tokens=n), chosen.to(x.device))


def _squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return (x̂ - x)² / ‖x‖ of each element, float32 [n, d_model]."""
    squared: Tensor = (x_hat - x).square() / x.norm(dim=1, keepdim=True).clamp_min(TINY)
    return squared


def _ghost_term(ghost: Tensor, x_hat: Tensor, x: Tensor, *, n_tokens: int) -> Tensor:
    """Let dead latents explain the residual x - x̂ with exponential activations.

    The ghost reconstruction [n, d_model] is scaled per token to half the residual's norm, its error is divided by the
    residual's norm, and each element is rescaled to the size of the reconstruction loss; all factors detached. The sum
    is divided by the number of elements of all `n_tokens` tokens that take part.
    """
    residual = (x - x_hat).detach()
    residual_norm = residual.norm(dim=1, keepdim=True)
    scale = residual_norm / (1e-6 + 2 * ghost.detach().norm(dim=1, keepdim=True))
    error = (ghost * scale - residual).square() / residual_norm.clamp_min(TINY)
    rescaling = _squared_error(x_hat, x).detach() / (error.detach() + 1e-6)
    total: Tensor = (rescaling * error).sum()
    return total / (n_tokens * x.shape[1])


def build(d_model: int, d_sae: int, options: ReluL1Options) -> ReluL1:
    """Create a `ReluL1`."""
    return ReluL1(d_model, d_sae, options)
