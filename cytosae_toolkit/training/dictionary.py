"""What variants of sparse autoencoders share: centre of the data, decoder constraint, initialisation."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from cytosae_toolkit.training.compiled import suits_kernels
from cytosae_toolkit.training.threads import in_threads

_MILLIONTH = 1e-6
"""Smallest distance, so that a point that is hit exactly does not divide by zero; smallest relative change."""


def geometric_median(points: Tensor, *, max_iterations: int = 100) -> Tensor:
    """Return the point with the least sum of distances, by Weiszfeld's algorithm in float64.

    CytoSAE starts `b_dec` here. Iteration starts at the mean and ends when the point moves by less than a
    millionth of its norm.

    Parameters
    ----------
    points : torch.Tensor
        float [n, d].
    max_iterations : int
        Iterations at most.

    Returns
    -------
    torch.Tensor
        [d], dtype of `points`.
    """
    exact = points.detach().to(torch.float64) if points.device.type != "mps" else points.detach().cpu().double()
    median = exact.mean(dim=0)
    for _ in range(max_iterations):
        weights = (exact - median).norm(dim=1).clamp_min(_MILLIONTH).reciprocal()
        moved = (weights[:, None] * exact).sum(dim=0) / weights.sum()
        change = (moved - median).norm() / moved.norm().clamp_min(_MILLIONTH)
        median = moved
        if change < _MILLIONTH:
            break
    return median.to(points)


def center_of(tokens: Tensor, method: str) -> Tensor:
    """Return the starting value of `b_dec`, [d_model].

    Parameters
    ----------
    tokens : torch.Tensor
        float32 [n, d_model].
    method : str
        ``"geometric_median"``, ``"mean"`` or ``"zero"``.
    """
    if method == "geometric_median":
        return geometric_median(tokens)
    if method == "mean":
        return tokens.double().mean(dim=0).to(tokens)
    return torch.zeros_like(tokens[0])


def kaiming_uniform_(weight: Tensor, fan_in: int, generator: torch.Generator) -> Tensor:
    """Fill with the Kaiming uniform distribution, bound sqrt(6 / fan_in), and return the tensor."""
    bound = sqrt(6.0 / fan_in)
    values = torch.rand(weight.shape, generator=generator, device=generator.device) * (2 * bound) - bound
    with torch.no_grad():
        return weight.copy_(values)


@torch.no_grad()
def normalize_rows_(weight: Tensor) -> None:
    """Scale every row to unit norm, in place; a zero row stays zero."""
    tiny = torch.finfo(weight.dtype).tiny
    if not suits_kernels(weight):
        weight /= weight.norm(dim=1, keepdim=True).clamp_min(tiny)
        return
    from cytosae_toolkit.training import row_kernels as kernels

    rows = weight.detach().numpy()
    in_threads(lambda first, stop: kernels.normalize(first, stop, rows, tiny), len(rows))


@torch.no_grad()
def remove_parallel_gradient_(weight: nn.Parameter) -> None:
    """Remove from each row's gradient the component along the row, so that a step turns but does not stretch it.

    Parameters
    ----------
    weight : torch.nn.Parameter
        [d_sae, d_model], rows of unit norm, with a gradient.
    """
    if weight.grad is None:
        return
    if not (suits_kernels(weight) and suits_kernels(weight.grad)):
        weight.grad.addcmul_((weight.grad * weight).sum(dim=1, keepdim=True), weight, value=-1)
        return
    from cytosae_toolkit.training import row_kernels as kernels

    arrays = weight.detach().numpy(), weight.grad.numpy()
    in_threads(lambda first, stop: kernels.remove_parallel(first, stop, *arrays), len(weight))
