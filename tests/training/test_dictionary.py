from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from cytosae_toolkit.training import dictionary
from cytosae_toolkit.training.dictionary import (
    center_of,
    geometric_median,
    kaiming_uniform_,
    normalize_rows_,
    remove_parallel_gradient_,
)


def points() -> torch.Tensor:
    return torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor([1.0, 2, 3])


def test_geometric_median_has_the_least_sum_of_distances():
    x = points().double()
    least = minimize(lambda m: np.linalg.norm(x.numpy() - m, axis=1).sum(), np.zeros(3), tol=1e-12).x
    assert geometric_median(x).numpy() == pytest.approx(least, abs=1e-4)


def test_geometric_median_withstands_outliers():
    x = points()
    x[:5] = 1e6
    assert (geometric_median(x) - points().mean(dim=0)).norm() < 0.5


def test_geometric_median_may_be_one_of_the_points():
    x = torch.tensor([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    assert geometric_median(x).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert geometric_median(torch.ones(4, 2)).tolist() == [1, 1]
    assert geometric_median(points()).dtype == torch.float32


def test_iteration_is_bounded():
    assert torch.equal(geometric_median(points(), max_iterations=0), points().double().mean(dim=0).float())


@pytest.mark.parametrize(
    ("method", "expected"),
    [("mean", lambda x: x.mean(dim=0)), ("zero", lambda x: torch.zeros(3)), ("geometric_median", geometric_median)],
)
def test_centers(method, expected):
    torch.testing.assert_close(center_of(points(), method), expected(points()))


def test_kaiming_uniform_is_bounded_and_seeded():
    def draw(seed: int) -> torch.Tensor:
        return kaiming_uniform_(torch.empty(40, 50), 24, torch.Generator().manual_seed(seed))

    assert 0.49 < draw(0).abs().max() <= 0.5  # sqrt(6 / 24)
    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


@pytest.fixture(params=["compiled", "torch"])
def implementation(request, monkeypatch):
    if request.param == "torch":
        monkeypatch.setattr(dictionary, "suits_kernels", lambda matrix: False)


def test_rows_get_unit_norm_and_zero_stays_zero(implementation):
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    normalize_rows_(weight)
    torch.testing.assert_close(weight, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_the_gradient_along_a_row_is_removed(implementation):
    weight = torch.nn.Parameter(torch.tensor([[1.0, 0.0], [0.6, 0.8]]))
    remove_parallel_gradient_(weight)  # without a gradient there is nothing to do
    weight.grad = torch.tensor([[5.0, 2.0], [0.6, 0.8]])
    remove_parallel_gradient_(weight)
    torch.testing.assert_close(weight.grad, torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
