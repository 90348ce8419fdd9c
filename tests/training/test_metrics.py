from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training.metrics import (
    MetricAccumulator,
    batch_metrics,
    density_histogram,
    measure,
)
from cytosae_toolkit.training.moments import token_moments

D_MODEL, D_SAE, PREFIX = 8, 20, 1


def images(n: int = 50, tokens: int = 5) -> torch.Tensor:
    """Tokens with what real ones have: a dominant dimension, and some tokens far larger than the others."""
    x = torch.randn(n, tokens, D_MODEL, generator=torch.Generator().manual_seed(0)) * torch.linspace(1, 3, D_MODEL)
    x[..., 3] = 40 * torch.randn(n, tokens, generator=torch.Generator().manual_seed(1)) + 5
    x[7, 2] *= 50
    return x


@pytest.fixture
def sae(toy):
    made = toy(D_MODEL, D_SAE)
    with torch.no_grad():
        made.b_enc[:4] = -1e4  # four latents never fire
    return made.eval()


def dense(x: np.ndarray, z: np.ndarray, x_hat: np.ndarray) -> dict:
    """Every metric as its definition says, in float64."""
    n, d = x.shape
    variance = ((x - x.mean(axis=0)) ** 2).sum(axis=0)
    usual = np.ones(n, dtype=bool)
    usual[np.argsort(np.linalg.norm(x, axis=1))[n - n // 100 :]] = False
    keep = variance <= 0.5 * variance.sum()
    some, some_hat = x[usual][:, keep], x_hat[usual][:, keep]
    l0 = (z > 0).sum(axis=1).mean()
    components = max(1, min(round(l0), d // 4))
    fvu = ((x - x_hat) ** 2).sum() / variance.sum()
    robust = ((some - some_hat) ** 2).sum() / ((some - some.mean(axis=0)) ** 2).sum()
    return {
        "n_tokens": n,
        "fvu": fvu,
        "explained_variance": 1 - fvu,
        "fvu_robust": robust,
        "explained_variance_robust": 1 - robust,
        "n_tokens_excluded": n // 100,
        "dimensions_excluded": tuple(np.flatnonzero(~keep)),
        "pca_components": components,
        "pca_fvu": 1 - PCA(components).fit(x).explained_variance_ratio_.sum(),
        "pca_fvu_robust": 1 - PCA(components).fit(some).explained_variance_ratio_.sum(),
        "l0": l0,
        "l0_share": l0 / z.shape[1],
        "dead_share_set": (z.max(axis=0) == 0).mean(),
        "shrinkage": (x_hat**2).sum(axis=1).mean() / (x * x_hat).sum(axis=1).mean(),
    }


def reference(sae, x: torch.Tensor) -> dict:
    with torch.no_grad():
        z = sae.encode(x.reshape(-1, D_MODEL))
        return dense(*(part.double().numpy() for part in (x.reshape(-1, D_MODEL), z, sae.decode(z))))


def test_every_number_equals_its_definition(sae):
    x = images()
    measured = measure(sae, lambda: [x], prefix_tokens=PREFIX)
    for found, tokens in ((measured.all_tokens, x), (measured.patches, x[:, PREFIX:])):
        expected = reference(sae, tokens)
        for name, value in expected.items():
            assert getattr(found, name) == pytest.approx(value, rel=1e-6), name
        assert set(found.to_json()) - set(expected) == {"density_histogram"}
        assert found.dimensions_excluded == (3,)
        assert found.n_tokens_excluded == 2
        assert found.dead_share_set >= 4 / D_SAE


def test_patches_leave_the_prefix_tokens_out(sae):
    x = images()
    x[:, 0] += 100  # only prefix tokens are far away
    measured = measure(sae, lambda: [x], prefix_tokens=PREFIX)
    assert measured.all_tokens.n_tokens == 250
    assert measured.patches.n_tokens == 200
    assert measured.patches == measure(sae, lambda: [x[:, 1:]]).all_tokens
    assert set(measured.to_json()["patches"]) == set(measured.to_json()) - {"patches"}


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 49), max_size=5), at_once=st.integers(1, 300))
def test_chunks_do_not_matter(cuts, at_once):
    x = images()
    sae = sae_of_test()
    pieces = torch.tensor_split(x, sorted(cuts))
    whole, cut = measure(sae, lambda: [x]), measure(sae, lambda: iter(pieces), at_once=at_once)
    for name, value in whole.all_tokens.to_json().items():
        expected = value if isinstance(value, dict | list) else pytest.approx(value, rel=1e-6)
        assert cut.all_tokens.to_json()[name] == expected, name


def sae_of_test():
    from cytosae_toolkit.plugins import create_sae

    made = create_sae("relu-l1", D_MODEL, D_SAE)
    made.initialize(images().reshape(-1, D_MODEL), torch.Generator().manual_seed(0))
    return made.eval()


def metrics_of(x: torch.Tensor, x_hat: torch.Tensor, latents: torch.Tensor | None = None):
    accumulator = MetricAccumulator(token_moments([x], x.shape[1]), 3)
    accumulator.update(x, torch.ones(len(x), 3) if latents is None else latents, x_hat)
    return accumulator.compute()


def test_a_perfect_reconstruction_has_fvu_0_and_the_mean_has_fvu_1():
    x = images().reshape(-1, D_MODEL)
    perfect, mean = metrics_of(x, x), metrics_of(x, x.mean(dim=0).expand_as(x))
    assert (perfect.fvu, perfect.fvu_robust, perfect.shrinkage) == (0, 0, 1)
    assert mean.fvu == pytest.approx(1, rel=1e-6)
    assert metrics_of(x, 0 * x).fvu > 1  # centred: the zero predictor is worse than the mean


def test_half_the_size_is_shrinkage_one_half():
    x = images().reshape(-1, D_MODEL)
    assert metrics_of(x, x / 2).shrinkage == pytest.approx(0.5)
    assert metrics_of(x, 0 * x).shrinkage == 0


def test_silent_latents_and_constant_tokens_give_finite_numbers():
    x = torch.ones(30, 4)
    found = metrics_of(x, x, torch.zeros(30, 3))
    assert (found.fvu, found.l0, found.dead_share_set, found.pca_fvu) == (0, 0, 1, 0)
    assert found.density_histogram["never"] == 3


def test_one_percent_of_the_tokens_is_left_out_whatever_their_number():
    for n in (1, 99, 100, 200, 1000, 1057):
        x = torch.randn(n, 4, generator=torch.Generator().manual_seed(n))
        assert metrics_of(x, x).n_tokens_excluded == n // 100


def test_without_tokens_there_is_nothing_to_measure(sae):
    with pytest.raises(CytosaeError, match="no tokens"):
        measure(sae, list)


def test_density_histogram_counts_per_decade():
    density = np.array([0, 0, 1e-7, 1e-6, 2e-3, 0.1, 0.5, 1.0])
    found = density_histogram(density)
    assert found == {
        "never": 2, "<1e-6": 1, "1e-6": 1, "1e-5": 0, "1e-4": 0, "1e-3": 1, "1e-2": 0, "1e-1": 3
    }  # fmt: skip
    assert sum(found.values()) == len(density)


def test_batch_metrics_are_those_of_the_batch(sae):
    x = images()
    expected = reference(sae, x)
    assert batch_metrics(sae, x) == pytest.approx({"fvu": expected["fvu"], "l0": expected["l0"]}, rel=1e-5)
