"""Terms of an objective whose gradients are known before anyone asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Attach(torch.autograd.Function):
    """Terms whose sum has gradients that are known already; `torch.autograd` calls the two methods."""

    @staticmethod
    def forward(ctx: Any, gradients: list[Tensor], terms: Sequence[Tensor], *parameters: Tensor) -> tuple[Tensor, ...]:
        """Return the terms, and keep the gradients of their sum by the parameters, in the parameters' order."""
        ctx.gradients = gradients
        return tuple(term.clone() for term in terms)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *scales: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients that were kept, once."""
        gradients, ctx.gradients = ctx.gradients, None  # nobody else may hold them: then they are not copied
        if gradients is None:
            raise RuntimeError("The terms of a training step can be differentiated once.")
        if any(scale.device.type == "cpu" and not torch.equal(scale, scales[0]) for scale in scales):
            raise RuntimeError("The terms of a training step are differentiated as their sum, with equal weights.")
        scale = scales[0]
        if scale.device.type != "cpu" or float(scale) != 1.0:
            for gradient in gradients:
                gradient *= scale
        return (None, None, *gradients)
