from __future__ import annotations

import pytest
import torch

from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.training import sparse_codes
from cytosae_toolkit.training.sparse_codes import positive_codes, preactivation_blocks, top_codes


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(0)
    whole = [torch.randint(-3, 4, shape, generator=generator).float() for shape in ((30, 8), (90, 8), (90,))]
    return tuple(whole)


def same(a: Codes, b: Codes) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("start", "token", "value"))


@pytest.mark.parametrize("block", [1, 30 * 7, 1 << 20])
@pytest.mark.parametrize("shift", [-1000.0, -20.0, 0.0, 1000.0])  # nothing fires … everything fires
def test_positive_codes_are_the_relu(problem, block, shift, monkeypatch):
    monkeypatch.setattr(sparse_codes, "BLOCK_ELEMENTS", block)
    x, rows, bias = problem
    expected = torch.relu(x @ rows.T + bias + shift)
    assert same(positive_codes(x, rows, bias + shift), Codes.from_dense(expected))


@pytest.mark.parametrize("n", [63, 64, 65, 200])
def test_columns_are_found_wherever_they_are(n):
    generator = torch.Generator().manual_seed(1)
    x, rows = (torch.randint(-3, 4, (m, 8), generator=generator).float() for m in (n, 70))
    x[0, 0], x[-1] = float("nan"), 3 * rows[0]
    expected = torch.relu(x @ rows.T - 40)
    expected[0] = 0  # NaN is not positive
    assert expected[-1].sum() > 0
    assert same(positive_codes(x, rows, torch.full((70,), -40.0)), Codes.from_dense(expected))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_blocks_are_shown_before_they_are_overwritten(problem, threads, monkeypatch):
    monkeypatch.setattr(sparse_codes, "BLOCK_ELEMENTS", 30 * 16)
    x, rows, bias = problem
    seen, before = torch.empty(90, 30), torch.get_num_threads()
    torch.set_num_threads(threads)
    codes = positive_codes(x, rows, bias, lambda first, block: seen[first : first + len(block)].copy_(block))
    torch.set_num_threads(before)
    assert torch.equal(seen, rows @ x.T)
    assert same(codes, Codes.from_dense(torch.relu(x @ rows.T + bias)))
    assert [first for first, _ in preactivation_blocks(x, rows)] == [0, 16, 32, 48, 64, 80]
    assert [first for first, _ in preactivation_blocks(x, rows, of=2)] == list(range(0, 90, 8))


def test_bfloat16_products_give_float32_values(problem):
    x, rows, bias = problem
    codes = positive_codes(x.bfloat16(), rows.bfloat16(), bias)
    assert codes.value.dtype == torch.float32
    assert same(codes, Codes.from_dense(torch.relu(x @ rows.T + bias)))  # whole numbers are exact


@pytest.mark.parametrize("k", [1, 7, 90, 200])
def test_top_codes(problem, k, monkeypatch):
    monkeypatch.setattr(sparse_codes, "BLOCK_ELEMENTS", 90 * 4)
    generator = torch.Generator().manual_seed(2)
    x, rows, _ = problem
    bias = torch.rand(90, generator=generator)  # no ties
    h = x @ rows.T + bias
    values, indices = h.topk(min(k, 90), dim=1)
    expected = torch.zeros_like(h).scatter(1, indices, torch.relu(values))
    found = top_codes(x, rows, bias, k)
    assert torch.equal(found.token, Codes.from_dense(expected).token)
    assert torch.allclose(found.value, Codes.from_dense(expected).value)
