"""The contract of a sparse autoencoder: encode, decode and learn, whatever the variant.

The trainer knows only this file. One training step is::

    sae.before_step()
    terms = sae.loss(tokens, context)
    sum(terms.values()).backward()
    sae.after_backward()
    optimizer.step()
    sae.after_step()

Several processes may share a step: each computes `loss` on its share of the batch, and the trainer averages the
gradients, weighted by the shares, before `after_backward`. So a loss that is a mean over tokens needs nothing; one that
divides by something of the whole batch, such as its variance, gets that from `StepContext.ranks`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cytosae_toolkit.distributed import ALONE, Ranks
from cytosae_toolkit.interfaces.codes import Codes


@dataclass(frozen=True)
class StepContext:
    """What a training step knows beside its tokens.

    Parameters
    ----------
    step : int
        0-based number of the step.
    generator : torch.Generator
        Source of randomness, seeded from the run's seed, the step and the process: use no other, or resuming is not
        exact. Processes draw independently.
    ranks : Ranks
        The processes that share the step; alone by default. All must call its methods in the same order: decide by
        `steps_since_fired`, which is the same in all of them, never by tokens.
    share : float
        Share of the batch's tokens that `loss` is given here; the shares of all processes add up to 1. The mean of
        something over the whole batch is ``ranks.mean_(mean over these tokens, share)``.
    """

    step: int
    generator: torch.Generator
    ranks: Ranks = ALONE
    share: float = 1.0


class SparseAutoencoder(nn.Module, ABC):
    """A dictionary of `d_sae` latents over tokens of length `d_model` (CytoSAE, Eq. 1).

    Subclasses define the parameters below, `encode`, `initialize` and `loss`; the rest has defaults. The names and
    shapes of the parameters are those of `sae.safetensors`; further parameters of a subclass are saved beside them.

    Attributes
    ----------
    d_model, d_sae : int
        Length of a token; number of latents.
    W_enc, b_enc, W_dec, b_dec : torch.nn.Parameter
        float32 [d_model, d_sae], [d_sae], [d_sae, d_model], [d_model].
    steps_since_fired : torch.Tensor
        int64 [d_sae], non-persistent buffer: training steps since each latent was last active.
    """

    W_enc: nn.Parameter
    b_enc: nn.Parameter
    W_dec: nn.Parameter
    b_dec: nn.Parameter
    steps_since_fired: Tensor

    recommended_lr: float = 4e-4
    """Learning rate used when the user gives none."""

    step_products: float = 9.0
    """Time of a training step, in products of its tokens with W_enc: encode, decode, four for gradients, overhead.

    `train` announces the time of a run by it."""

    def __init__(self, d_model: int, d_sae: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.d_sae = d_sae
        self.W_enc = nn.Parameter(torch.empty(d_sae, d_model).T)  # a latent's weights lie together
        self.b_enc = nn.Parameter(torch.zeros(d_sae))
        self.W_dec = nn.Parameter(torch.empty(d_sae, d_model))
        self.b_dec = nn.Parameter(torch.zeros(d_model))
        self.register_buffer("steps_since_fired", torch.zeros(d_sae, dtype=torch.int64), persistent=False)

    def step_bytes(self, n_tokens: int) -> int:
        """Return the memory that a training step takes beside parameters, gradients, moments and tokens, in bytes.

        `train` refuses, or halves, a batch that cannot fit by it. The default is that of a dense step: seven tensors
        [n_tokens, d_sae] of float32.

        Parameters
        ----------
        n_tokens : int
            Tokens of a batch.
        """
        return 7 * 4 * n_tokens * self.d_sae

    @abstractmethod
    def encode(self, tokens: Tensor) -> Tensor:
        """Return the latents of tokens.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [..., d_model].

        Returns
        -------
        torch.Tensor
            float32 [..., d_sae], never negative, 0 where a latent is inactive.
        """

    def encode_latents(self, tokens: Tensor, latents: Tensor) -> Tensor:
        """Return some of the latents of tokens; override it where that is quicker than encoding all.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [..., d_model].
        latents : torch.Tensor
            int64 [n], which latents, in any order.

        Returns
        -------
        torch.Tensor
            float32 [..., n], equal to ``encode(tokens)[..., latents]`` up to rounding.
        """
        return self.encode(tokens)[..., latents]

    def encode_sparse(self, tokens: Tensor) -> Codes:
        """Return the non-zero latents of tokens; override it where they can be had without the zeros.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [n, d_model].

        Returns
        -------
        Codes
            The non-zeros of ``encode(tokens)``, up to rounding.
        """
        return Codes.from_dense(self.encode(tokens))

    def decode(self, latents: Tensor) -> Tensor:
        """Return the tokens that latents stand for: ``latents @ W_dec + b_dec`` (Eq. 1).

        Parameters
        ----------
        latents : torch.Tensor
            float32 [..., d_sae].

        Returns
        -------
        torch.Tensor
            float32 [..., d_model].
        """
        return latents @ self.W_dec + self.b_dec

    @abstractmethod
    def initialize(self, tokens: Tensor, generator: torch.Generator) -> None:
        """Set the parameters before training.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [n, d_model], a random sample of training tokens, prefix tokens included.
        generator : torch.Generator
            Source of randomness.
        """

    @abstractmethod
    def loss(self, tokens: Tensor, context: StepContext) -> Mapping[str, Tensor]:
        """Return the weighted terms whose sum is the objective, and note which latents fired.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [n, d_model], or [images, tokens, d_model] when whole images make a batch.
        context : StepContext
            Step number and generator.

        Returns
        -------
        mapping of str to torch.Tensor
            Scalars; the first is the reconstruction term. Their mean over processes, weighted by their shares, must be
            the objective of the whole batch.
        """

    def before_step(self) -> None:
        """Project the parameters onto their constraints, such as decoder rows of unit norm.

        Must be idempotent up to rounding: it is also called before weights are evaluated and published.
        """

    def after_backward(self) -> None:
        """Change gradients before the optimiser sees them."""

    def after_step(self) -> None:
        """Do whatever is due after the optimiser's step."""

    @property
    def decoder_directions(self) -> Tensor:
        """The direction of each latent in token space, detached, [d_sae, d_model]."""
        return self.W_dec.detach()

    @torch.no_grad()
    def note_fired(self, fired: Tensor) -> None:
        """Update `steps_since_fired`: one more step for all, 0 for the latents that fired.

        Parameters
        ----------
        fired : torch.Tensor
            bool [d_sae].
        """
        self.steps_since_fired += 1
        self.steps_since_fired[fired] = 0
