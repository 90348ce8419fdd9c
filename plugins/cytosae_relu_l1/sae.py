"""ReLU sparse autoencoder with L1 penalty and ghost gradients (CytoSAE, Dasdelen et al., MICCAI 2025, Eq. 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from cytosae_relu_l1 import ReluL1Options
from cytosae_toolkit.interfaces.sae import StepContext
from cytosae_toolkit.training.dictionary import kaiming_uniform_
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

    recommended_lr = 1e-3  # for runs of hundreds to thousands of steps; the published 4e-4 belongs to 15,625 steps

    def __init__(self, d_model: int, d_sae: int, options: ReluL1Options) -> None:
        super().__init__(d_model, d_sae)
        self.options = options
        given = options.l1_coefficient
        self.l1_coefficient = PUBLISHED_L1 * PUBLISHED_D_MODEL / d_model if given is None else given

    def encode(self, tokens: Tensor) -> Tensor:
        """Return latents float32 [..., d_sae] of tokens float32 [..., d_model]."""
        return torch.relu(self.preactivations(tokens))

    def encode_latents(self, tokens: Tensor, latents: Tensor) -> Tensor:
        """Return some latents float32 [..., n] of tokens: one product with n columns of the encoder."""
        weights = self.W_enc[:, latents]
        return torch.relu(tokens @ weights + (self.b_enc[latents] - self.b_dec @ weights))

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
        dead = self.steps_since_fired > self.options.dead_feature_window
        preactivations = self.preactivations(x)
        latents = torch.relu(preactivations)
        x_hat = self.decode(latents)
        squared = (x_hat - x).square() / x.norm(dim=1, keepdim=True).clamp_min(TINY)
        terms = {
            "reconstruction": squared.mean(),
            "sparsity": self.l1_coefficient * latents.sum(dim=1).mean(),
        }
        self.note_fired((latents.detach() > 0).any(dim=0))
        if self.options.ghost_grads and bool(dead.any()):
            terms["ghost"] = self._ghost_loss((x - x_hat).detach(), preactivations[:, dead], squared.detach(), dead)
        return terms

    def _ghost_loss(self, residual: Tensor, preactivations: Tensor, squared: Tensor, dead: Tensor) -> Tensor:
        """Let dead latents explain the residual with exponential activations.

        The ghost reconstruction is scaled per token to half the residual's norm, its error is divided by the
        residual's norm, and each element is rescaled to the size of the reconstruction loss; all factors detached.
        """
        ghost = torch.exp(preactivations) @ self.W_dec[dead]
        residual_norm = residual.norm(dim=1, keepdim=True)
        scale = residual_norm / (1e-6 + 2 * ghost.norm(dim=1, keepdim=True))
        error = (ghost * scale.detach() - residual).square() / residual_norm.clamp_min(TINY)
        rescaling = (squared / (error + 1e-6)).detach()
        ghost_loss: Tensor = (rescaling * error).mean()
        return ghost_loss


def build(d_model: int, d_sae: int, options: ReluL1Options) -> ReluL1:
    """Create a `ReluL1`."""
    return ReluL1(d_model, d_sae, options)
