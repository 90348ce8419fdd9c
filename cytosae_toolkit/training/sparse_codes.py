"""Find the non-zero latents of a batch block by block, without ever holding a dense [tokens, d_sae]."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.interfaces.codes import Codes, stable_order, starts
from cytosae_toolkit.training.threads import in_threads, shares

BLOCK_ELEMENTS = 1 << 24
"""Pre-activations computed at a time by all threads together: 64 MiB."""
BLOCK_ROWS = 1024
"""Latents at a time; more gain nothing, and a smaller block stays near the processor."""
ROWS = 64


def preactivation_blocks(x: Tensor, rows: Tensor, *, of: int = 1) -> Iterator[tuple[int, Tensor]]:
    """Yield products of encoder rows and tokens, some latents at a time.

    Parameters
    ----------
    x : torch.Tensor
        float [n, d_model], tokens, centred.
    rows : torch.Tensor
        float [n_latents, d_model], rows of W_encᵀ.
    of : int
        So many do this at once and share `BLOCK_ELEMENTS`.

    Yields
    ------
    int, torch.Tensor
        First latent; ``rows[first : first + b] @ x.T``, float [b, n], overwritten by the next.
    """
    size = max(1, min(BLOCK_ROWS, BLOCK_ELEMENTS // max(1, of * len(x))))
    buffer = x.new_empty(min(size, len(rows)), len(x))
    for first in range(0, len(rows), size):
        block = rows[first : first + size]
        yield first, torch.mm(block, x.T, out=buffer[: len(block)])


def positive_codes(
    x: Tensor, rows: Tensor, bias: Tensor, see: Callable[[int, Tensor], None] = lambda first, block: None
) -> Codes:
    """Return the positive part of ``x @ rows.T + bias``: the latents of a ReLU SAE.

    On the CPU each thread multiplies and searches latents of its own, so that none waits for another.

    Parameters
    ----------
    x : torch.Tensor
        float [n, d_model], tokens, centred.
    rows : torch.Tensor
        float [d_sae, d_model], rows of W_encᵀ.
    bias : torch.Tensor
        float [d_sae].
    see : callable
        Shown each block of products, as `preactivation_blocks` yields them, before it is overwritten; from several
        threads at once, each latent once.
    """
    on_cpu = x.device.type == "cpu"
    of = len(shares(len(rows))) if on_cpu else 1

    @torch.no_grad()
    def find(low: int, high: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        found = []
        for first, block in preactivation_blocks(x, rows[low:high], of=of):
            found.append(_positives(block, bias[low + first : low + first + len(block)]))
            see(low + first, block)
        return found

    parts = in_threads(find, len(rows)) if on_cpu else [find(0, len(rows))]
    counts, tokens, values = (torch.cat(tensors) for tensors in zip(*chain(*parts), strict=True))
    start = torch.nn.functional.pad(counts.cumsum(0), (1, 0)).to(torch.int32)
    return Codes(len(x), len(rows), start, tokens, values)


def _positives(block: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the number of positive entries of each row, and column and value of each, float32."""
    if block.device.type != "cpu" or block.dtype != torch.float32:
        latent, token = torch.nonzero(block > -bias[:, None], as_tuple=True)
        counts = torch.bincount(latent, minlength=len(block))
        return counts, token.to(torch.int32), block[latent, token].float() + bias[latent].float()
    counts, tokens, values = map(torch.from_numpy, _scan(block.numpy(), bias.numpy()))
    return counts, tokens, values


def _scan(products: NDArray[np.float32], shift: NDArray[np.float32]) -> list[NDArray[Any]]:
    """Return counts, columns and values of the positive ``products + shift``; a few rows at a time stay in cache."""
    from cytosae_toolkit.training import sparse_kernels as kernels

    size = min(ROWS, len(products)) * products.shape[1]
    counts, columns, values = np.empty(len(products), np.int64), np.empty(size, np.int32), np.empty(size, np.float32)
    found = []
    for first in range(0, len(products), ROWS):
        rows = slice(first, first + ROWS)
        n = kernels.positives(products[rows], shift[rows], counts[rows], columns, values)
        found.append((columns[:n].copy(), values[:n].copy()))
    return [counts, *(np.concatenate(arrays) for arrays in zip(*found, strict=True))]


def top_codes(x: Tensor, rows: Tensor, bias: Tensor, k: int) -> Codes:
    """Return the positive ones among the k largest of ``x @ rows.T + bias`` of each token: the latents of a TopK SAE.

    Parameters
    ----------
    x : torch.Tensor
        float [n, d_model], tokens, centred.
    rows, bias : torch.Tensor
        float [d_sae, d_model]; float [d_sae].
    k : int
        At most d_sae.
    """
    size = max(1, BLOCK_ELEMENTS // len(rows))
    k = min(k, len(rows))
    values, latents = x.new_empty(len(x), k), torch.empty(len(x), k, dtype=torch.int64, device=x.device)
    for first in range(0, len(x), size):
        products = torch.addmm(bias, x[first : first + size], rows.T)
        torch.topk(products, k, dim=1, sorted=False, out=(values[first : first + size], latents[first : first + size]))
    token, place = torch.nonzero(values > 0, as_tuple=True)
    latent = latents[token, place]
    order = stable_order(latent, len(rows))
    value = values[token, place].float()[order]
    return Codes(len(x), len(rows), starts(latent, len(rows)), token[order].to(torch.int32), value)
