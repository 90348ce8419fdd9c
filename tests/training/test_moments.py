from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.moments import pca_fvu, token_moments


def test_a_large_offset_does_not_cancel():
    x = torch.randn(250, 6, generator=torch.Generator().manual_seed(0)).double() + 1e6
    found = token_moments([x[:9], x[9:]], 6)
    assert found.count == 250
    assert found.mean == pytest.approx(x.mean(dim=0).numpy(), rel=1e-12)
    assert found.covariance == pytest.approx(np.cov(x.numpy().T, bias=True) * len(x), rel=1e-6)


def test_a_dimension_with_more_than_half_of_the_variance_is_dominant():
    x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 9.0, 1.0])
    assert token_moments([x], 3).dominant.tolist() == [False, True, False]


def test_without_tokens_there_are_no_moments():
    with pytest.raises(CytosaeError, match="no tokens"):
        token_moments([], 3)


def test_pca_leaves_the_small_eigenvalues():
    covariance = np.diag([6.0, 3.0, 1.0])
    assert [pca_fvu(covariance, k) for k in (0, 1, 2, 3)] == pytest.approx([1, 0.4, 0.1, 0])
