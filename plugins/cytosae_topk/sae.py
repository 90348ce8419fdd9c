"""TopK sparse autoencoder (Gao et al., "Scaling and evaluating sparse autoencoders", 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.interfaces.sae import StepContext
from cytosae_toolkit.training.sparse_codes import top_codes
from cytosae_toolkit.training.tokenwise import Terms, Tokenwise, step_bytes
from cytosae_toolkit.training.unit_decoder import UnitDecoderSAE
from cytosae_topk import TopKOptions

TINY = 1e-12


class TopK(UnitDecoderSAE):
    """z = ReLU(TopK(W_enc (x - b_dec) + b_enc)), x̂ = W_dec z + b_dec.

    The objective is Σ‖x̂ - x‖² / Σ‖x - x̄‖² over the batch. While there are dead latents, the `aux_k` dead latents with
    the largest pre-activations also reconstruct the residual, weighted by `aux_coefficient` (AuxK).

    Parameters
    ----------
    d_model, d_sae : int
        Length of a token; number of latents.
    options : TopKOptions
        k, auxiliary loss, window, initialisation.

    Raises
    ------
    CytosaeError
        If `k` exceeds `d_sae`.
    """

    step_products = 2.5
    recommended_lr = 1e-3

    def __init__(self, d_model: int, d_sae: int, options: TopKOptions) -> None:
        super().__init__(d_model, d_sae)
        if options.k > d_sae:
            raise CytosaeError(f"topk cannot keep k = {options.k} of {d_sae} latents.", f"Choose k ≤ {d_sae}.")
        self.options = options
        self.aux_k = d_model // 2 if options.aux_k is None else options.aux_k

    def step_bytes(self, n_tokens: int) -> int:
        """Return the bytes of a step; see `cytosae_toolkit.training.tokenwise`."""
        return step_bytes(n_tokens, self.d_model, self.d_sae)

    def encode(self, tokens: Tensor) -> Tensor:
        """Return latents float32 [..., d_sae], at most k of a token above 0."""
        return _keep_top(self.preactivations(tokens), self.options.k)

    def initialize(self, tokens: Tensor, generator: torch.Generator) -> None:
        """Start from the centre of the tokens, random unit directions, and an encoder tied to them."""
        self.initialize_tied(tokens, generator, center=self.options.b_dec_init)

    def encode_sparse(self, tokens: Tensor) -> Codes:
        """Return the positive latents among the k largest of tokens float32 [n, d_model]."""
        with torch.no_grad():
            return top_codes(tokens - self.b_dec, self.W_enc.T.contiguous(), self.b_enc, self.options.k)

    def loss(self, tokens: Tensor, context: StepContext) -> dict[str, Tensor]:
        """Return `reconstruction` and, with dead latents, `auxiliary` (weighted)."""
        x = tokens.reshape(-1, self.d_model)
        dead = torch.nonzero(self.steps_since_fired > self.options.dead_feature_window)[:, 0]
        work = Tokenwise(self)
        x_hat = work.top(x, self.options.k, _unexplained("reconstruction", x, context))
        self.note_fired(work.fired)
        if self.aux_k and len(dead):
            residual = x - x_hat
            term = _unexplained("auxiliary", residual, context, self.options.aux_coefficient)
            work.top(x, self.aux_k, term, latents=dead, goal=residual)
        return work.terms()


def _keep_top(preactivations: Tensor, k: int) -> Tensor:
    """Return ReLU of the k largest pre-activations of each token, 0 elsewhere."""
    values, indices = preactivations.topk(min(k, preactivations.shape[-1]), dim=-1, sorted=False)
    return torch.zeros_like(preactivations).scatter(-1, indices, torch.relu(values))


def _unexplained(name: str, goal: Tensor, context: StepContext, weight: float = 1.0) -> Terms:
    """Return what computes the share of some tokens in the variance of all of `goal` [n, d_model] that is left.

    The variance is that of the whole batch; per token it is the same for every process that has a share of the batch.
    """
    center = context.ranks.mean_(goal.mean(dim=0), context.share)
    variance = context.ranks.sum_((goal - center).square().sum()).clamp_min(TINY) * context.share

    def terms(predicted: Tensor, target: Tensor, sums: Tensor) -> dict[str, Tensor]:
        return {name: weight * (predicted - target).square().sum() / variance}

    return terms


def build(d_model: int, d_sae: int, options: TopKOptions) -> TopK:
    """Create a `TopK`."""
    return TopK(d_model, d_sae, options)
