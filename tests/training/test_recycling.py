from __future__ import annotations

import torch

from cytosae_toolkit.training.recycling import KEPT, Recycler


def test_memory_is_used_again_once_nobody_holds_it():
    memory, like = Recycler(), torch.empty(3, 4, dtype=torch.float64)
    first = memory.empty_like(like)
    where, view = first.data_ptr(), first.T[1]
    assert first.shape == (3, 4) and first.dtype == torch.float32 and first.is_contiguous()
    del first
    other = memory.empty_like(like)
    assert other.data_ptr() != where, "a view still holds it"
    del view
    assert memory.empty_like(like).data_ptr() == where


def test_a_gradient_holds_its_memory():
    memory, weight = Recycler(), torch.nn.Parameter(torch.ones(2, 2))
    weight.grad = memory.empty_like(weight).fill_(5)
    memory.empty_like(weight).fill_(7)
    assert torch.equal(weight.grad, torch.full((2, 2), 5.0))


def test_no_more_is_kept_than_needed():
    memory, like = Recycler(), torch.empty(2, 2)
    held = [memory.empty_like(like) for _ in range(KEPT + 2)]
    assert len({one.data_ptr() for one in held}) == KEPT + 2
    assert len(memory._kept) == KEPT
    memory.empty_like(torch.empty(5, 2))
    assert [array.shape for array, _ in memory._kept] == [(5, 2)], "of other shapes nothing is kept"
