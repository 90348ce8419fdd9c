"""Memory of matrices that nobody holds any more, for the next ones of the same shape."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

KEPT = 2
"""Matrices kept: the gradients of encoder and decoder."""


class Recycler:
    """Hands out matrices in memory that was used before: fresh memory costs a page fault every 4 KiB.

    Memory is used again once the tensors on it are gone, all views of them included.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[NDArray[np.float32], weakref.ref[NDArray[np.float32]]]] = []

    def empty_like(self, matrix: Tensor) -> Tensor:
        """Return a matrix of the same shape with any values, float32, contiguous; fresh where `matrix` is on a GPU."""
        if matrix.device.type != "cpu":
            return torch.empty_like(matrix, dtype=torch.float32)
        self._kept = [(memory, user) for memory, user in self._kept if memory.shape == matrix.shape]
        for i, (memory, user) in enumerate(self._kept):
            if user() is None:
                del self._kept[i]
                return self._lend(memory)
        return self._lend(np.empty(matrix.shape, np.float32))

    def _lend(self, memory: NDArray[np.float32]) -> Tensor:
        view = memory.view()  # the tensor holds this one, so that its end is the tensor's
        if len(self._kept) < KEPT:
            self._kept.append((memory, weakref.ref(view)))
        return torch.from_numpy(view)
