"""Products with the non-zeros of `Codes` alone.

With z the latents [n, d_sae] as codes and W the decoder [d_sae, d_model]:

* `decode`: z W, each token the weighted sum of the decoder rows of its entries;
* `backward`: with g and γ the gradients of an objective by z W and by the sums of z, and δ = g Wᵀ + γ at the entries of
  z and nowhere else, zᵀ g, δᵀ x and the sums of δ: what decoder, encoder and bias get where z = ReLU(W_encᵀ x + b).

On the CPU by compiled kernels (`sparse_kernels`), elsewhere by PyTorch's operations; the same up to rounding.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.training.compiled import suits_kernels
from cytosae_toolkit.training.threads import in_threads


def decode(codes: Codes, weights: Tensor) -> Tensor:
    """Return z W, float32 [n_tokens, d_model].

    Parameters
    ----------
    codes : Codes
        z.
    weights : torch.Tensor
        float32 [d_sae, d_model], contiguous.
    """
    if not suits_kernels(weights):
        order, start = codes.by_token
        return _weighted_sums(codes.latent[order], codes.value[order], start, weights)
    from cytosae_toolkit.training import sparse_kernels as kernels

    out = torch.zeros(codes.n_tokens, weights.shape[1])
    arrays = (*_entries(codes), weights.numpy(), out.numpy())
    in_threads(lambda low, high: kernels.decode(low, high, *arrays), codes.n_tokens)
    return out


def backward(
    codes: Codes, weights: Tensor, gradient: Tensor, gradient_of_sum: Tensor, tokens: Tensor,
    out: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the gradients by the rows of decoder and encoder and by the encoder's bias.

    Parameters
    ----------
    codes : Codes
        z.
    weights : torch.Tensor
        float32 [d_sae, d_model], contiguous: W.
    gradient : torch.Tensor
        float32 [n_tokens, d_model]: g, by the decoded tokens.
    gradient_of_sum : torch.Tensor
        float32 [n_tokens]: γ, by the sum of each token's latents.
    tokens : torch.Tensor
        float32 [n_tokens, d_model]: x, centred.
    out : tuple of torch.Tensor, optional
        Become the first two results; float32 [d_sae, d_model], contiguous.

    Returns
    -------
    torch.Tensor, torch.Tensor, torch.Tensor
        zᵀ g and δᵀ x, float32 [d_sae, d_model]; the sums of δ over tokens, float32 [d_sae].
    """
    to_decoder, to_encoder = out or (torch.empty_like(weights), torch.empty_like(weights))
    if not suits_kernels(weights):
        inner = _dots(codes, weights, gradient) + gradient_of_sum[codes.token]
        to_decoder.copy_(_weighted_sums(codes.token, codes.value, codes.start, gradient))
        to_encoder.copy_(_weighted_sums(codes.token, inner, codes.start, tokens))
        to_bias = torch.zeros(codes.d_sae, dtype=torch.float64, device=inner.device)
        return to_decoder, to_encoder, to_bias.index_add_(0, codes.latent, inner.double()).float()
    from cytosae_toolkit.training import sparse_kernels as kernels

    to_bias = torch.empty(codes.d_sae)
    dense = (weights, gradient, gradient_of_sum, tokens, to_decoder, to_encoder, to_bias)
    arrays = (*_entries(codes), *(tensor.contiguous().numpy() for tensor in dense))
    in_threads(lambda first, stop: kernels.backward(first, stop, *arrays), codes.d_sae)
    return to_decoder, to_encoder, to_bias


def _entries(codes: Codes) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return codes.start.numpy(), codes.token.numpy(), codes.value.numpy()


def _weighted_sums(index: Tensor, weight: Tensor, start: Tensor, rows: Tensor) -> Tensor:
    if not len(index):
        return rows.new_zeros(len(start) - 1, rows.shape[1])
    sums: Tensor = F.embedding_bag(index, rows, start, mode="sum", per_sample_weights=weight, include_last_offset=True)
    return sums


def _dots(codes: Codes, weights: Tensor, tokens: Tensor) -> Tensor:
    if not len(codes):
        return torch.zeros_like(codes.value)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse (CSR|invariant)")
        pattern = torch.sparse_csr_tensor(
            codes.start, codes.token, codes.value, (codes.d_sae, codes.n_tokens), check_invariants=False
        )
    found: Tensor = torch.sparse.sampled_addmm(pattern, weights, tokens.T, beta=0.0)
    return found.values()
