from __future__ import annotations

import torch

from cytosae_toolkit.training.compiled import suits_kernels


def test_kernels_take_rows_of_float32_on_the_cpu():
    matrix = torch.ones(3, 4)
    assert suits_kernels(matrix)
    assert not suits_kernels(matrix.T)
    assert not suits_kernels(matrix.double())
    assert not suits_kernels(matrix.to("meta"))
