"""Which matrices the kernels that numba compiles are given; all others are left to PyTorch's operations."""

from __future__ import annotations

import torch
from torch import Tensor


def suits_kernels(matrix: Tensor) -> bool:
    """Return whether the compiled kernels take a matrix as it is: float32 numbers on the CPU, row by row in memory."""
    return matrix.device.type == "cpu" and matrix.dtype == torch.float32 and matrix.is_contiguous()
