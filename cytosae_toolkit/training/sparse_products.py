"""Products with the non-zeros of `Codes` alone.

With z the latents [n, d_sae] as codes, W the decoder [d_sae, d_model] and g a gradient [n, d_model]:

* `decode`: z W, each token the weighted sum of the decoder rows of its entries;
* `pull`: (g Wᵀ) at the entries of z and nowhere else, and zᵀ g;
* `gather`: vᵀ g for other values v at the entries of z.

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
    if not _compiled(weights):
        order, start = codes.by_token
        return _weighted_sums(codes.latent[order], codes.value[order], start, weights)
    from cytosae_toolkit.training import sparse_kernels as kernels

    out = torch.zeros(codes.n_tokens, weights.shape[1])
    arrays = (*_entries(codes, codes.value), weights.numpy(), out.numpy())
    in_threads(lambda low, high: kernels.decode(low, high, *arrays), weights.shape[1])
    return out


def pull(codes: Codes, weights: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Return g_i · W_s for each entry (i, s), float32 [nnz], and zᵀ g, float32 [d_sae, d_model].

    Parameters
    ----------
    codes : Codes
        z.
    weights : torch.Tensor
        float32 [d_sae, d_model], contiguous: W.
    tokens : torch.Tensor
        float32 [n_tokens, d_model], contiguous: g.
    """
    if not _compiled(weights):
        return _dots(codes, weights, tokens), _weighted_sums(codes.token, codes.value, codes.start, tokens)
    from cytosae_toolkit.training import sparse_kernels as kernels

    dots, sums = torch.empty_like(codes.value), torch.empty_like(weights)
    arrays = (*_entries(codes, codes.value), weights.numpy(), tokens.numpy(), dots.numpy(), sums.numpy())
    in_threads(lambda first, stop: kernels.pull(first, stop, *arrays), codes.d_sae)
    return dots, sums


def gather(codes: Codes, values: Tensor, tokens: Tensor) -> Tensor:
    """Return vᵀ g, float32 [d_sae, d_model], where v has the entries of z and other values.

    Parameters
    ----------
    codes : Codes
        Which entries.
    values : torch.Tensor
        float32 [nnz].
    tokens : torch.Tensor
        float32 [n_tokens, d_model], contiguous: g.
    """
    if not _compiled(tokens):
        return _weighted_sums(codes.token, values, codes.start, tokens)
    from cytosae_toolkit.training import sparse_kernels as kernels

    sums = torch.empty(codes.d_sae, tokens.shape[1])
    arrays = (*_entries(codes, values), tokens.numpy(), sums.numpy())
    in_threads(lambda first, stop: kernels.gather(first, stop, *arrays), codes.d_sae)
    return sums


def _compiled(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype == torch.float32


def _entries(codes: Codes, values: Tensor) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return codes.start.numpy(), codes.token.numpy(), values.numpy()


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
