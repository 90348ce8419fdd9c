"""Metrics of a sparse autoencoder: one definition each, accumulated in float64 over a whole set of tokens.

Let x be tokens, x̂ their reconstructions, x̄ the vector mean of x and z the latents.

* FVU (fraction of variance unexplained) = Σ‖x - x̂‖² / Σ‖x - x̄‖²; explained variance = 1 - FVU.
* robust FVU = the same without the 1 % of tokens (rounded down) with the largest norm and without dimensions that hold
  more than half of the variance: massive activations of vision transformers otherwise decide the number alone.
* PCA FVU = what the k leading principal components of the *same* tokens leave unexplained (a lower bound for any
  rank-k linear code fitted elsewhere), with k = L0, at most d_model / 4.
* L0 = mean number of latents above 0 per token; density of a latent = share of tokens on which it is above 0.
* dead share = share of latents that are never above 0 over the set, or within the last training steps.
* shrinkage γ = E‖x̂‖² / E[x·x̂]; 1 means none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.moments import MomentAccumulator, TokenMoments, norms, pca_fvu, token_moments

DENSITY_EDGES = tuple(range(-6, 1))
TOKENS_AT_ONCE = 2048


@dataclass(frozen=True)
class Metrics:
    """Metrics of an SAE over a set of tokens; definitions at the top of this module.

    Parameters
    ----------
    n_tokens : int
        Tokens that were seen.
    fvu, explained_variance : float
        Over all tokens.
    fvu_robust, explained_variance_robust : float
        Without the tokens and dimensions named by the next two.
    n_tokens_excluded : int
        Tokens left out of the robust values.
    dimensions_excluded : tuple of int
        Dimensions left out of the robust values.
    pca_components : int
        k of the PCA comparison.
    pca_fvu, pca_fvu_robust : float
        FVU of k principal components of the same tokens.
    l0, l0_share : float
        Mean number of active latents, and the same as a share of all latents.
    dead_share_set : float
        Share of latents that never fire over the set.
    shrinkage : float
        γ; NaN is never returned: 0 where nothing is reconstructed.
    density_histogram : dict of str to int
        Latents per decade of density, ``"never"`` for those that never fire.
    """

    n_tokens: int
    fvu: float
    explained_variance: float
    fvu_robust: float
    explained_variance_robust: float
    n_tokens_excluded: int
    dimensions_excluded: tuple[int, ...]
    pca_components: int
    pca_fvu: float
    pca_fvu_robust: float
    l0: float
    l0_share: float
    dead_share_set: float
    shrinkage: float
    density_histogram: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON-compatible values."""
        values = asdict(self)
        values["dimensions_excluded"] = list(self.dimensions_excluded)
        return values


class MetricAccumulator:
    """Second pass: feed tokens with their latents and reconstructions, then `compute`.

    Parameters
    ----------
    moments : TokenMoments
        Of the same tokens.
    d_sae : int
        Number of latents.
    """

    def __init__(self, moments: TokenMoments, d_sae: int) -> None:
        self.moments = moments
        self._keep = torch.from_numpy(~moments.dominant)
        self._robust = MomentAccumulator(int(self._keep.sum()))
        self._fired = torch.zeros(d_sae, dtype=torch.float64)
        self._count = 0
        self._squared_error = 0.0
        self._squared_error_robust = 0.0
        self._norm_hat = 0.0
        self._dot = 0.0

    def update(self, x: Tensor, latents: Tensor, x_hat: Tensor) -> None:
        """Add tokens.

        Parameters
        ----------
        x, x_hat : torch.Tensor
            float32 [n, d_model].
        latents : torch.Tensor
            float32 [n, d_sae].
        """
        self._fired += (latents > 0).sum(dim=0).to("cpu", torch.float64)
        self._count += len(x)
        exact, exact_hat = x.to("cpu", torch.float64), x_hat.to("cpu", torch.float64)
        errors = (exact - exact_hat).square()
        self._squared_error += float(errors.sum())
        self._norm_hat += float(exact_hat.square().sum())
        self._dot += float((exact * exact_hat).sum())
        usual = torch.from_numpy(norms(exact) <= self.moments.largest_norm)
        self._squared_error_robust += float(errors[usual][:, self._keep].sum())
        self._robust.update(exact[usual][:, self._keep])

    def compute(self) -> Metrics:
        """Return the metrics of everything that was fed."""
        covariance, robust = self.moments.covariance, self._robust.covariance()
        l0 = float(self._fired.sum()) / self._count
        components = max(1, min(round(l0), len(covariance) // 4))
        fvu = _ratio(self._squared_error, float(np.trace(covariance)))
        fvu_robust = _ratio(self._squared_error_robust, float(np.trace(robust)))
        return Metrics(
            n_tokens=self._count,
            fvu=fvu,
            explained_variance=1 - fvu,
            fvu_robust=fvu_robust,
            explained_variance_robust=1 - fvu_robust,
            n_tokens_excluded=self._count - self._robust.count,
            dimensions_excluded=tuple(np.flatnonzero(self.moments.dominant).tolist()),
            pca_components=components,
            pca_fvu=pca_fvu(covariance, components),
            pca_fvu_robust=pca_fvu(robust, components),
            l0=l0,
            l0_share=l0 / len(self._fired),
            dead_share_set=float((self._fired == 0).double().mean()),
            shrinkage=_ratio(self._norm_hat, self._dot),
            density_histogram=density_histogram(self._fired.numpy() / self._count),
        )


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else 0.0


def density_histogram(density: NDArray[np.float64]) -> dict[str, int]:
    """Count latents per decade of density.

    Parameters
    ----------
    density : float64 array [d_sae]
        Share of tokens on which each latent is active.

    Returns
    -------
    dict of str to int
        Keys ``"never"``, ``"<1e-6"``, ``"1e-6"`` (1e-6 up to 1e-5) … ``"1e-1"`` (0.1 up to 1 inclusive).
    """
    live = density[density > 0]
    decade = np.floor(np.log10(live)).astype(int).clip(max=-1) if len(live) else np.zeros(0, dtype=int)
    counts = {"never": int((density == 0).sum()), "<1e-6": int((decade < DENSITY_EDGES[0]).sum())}
    return counts | {f"1e{edge}": int((decade == edge).sum()) for edge in DENSITY_EDGES[:-1]}


@dataclass(frozen=True)
class Measured:
    """Metrics of an SAE over an image set.

    Parameters
    ----------
    all_tokens : Metrics
        Over every token the SAE is trained on, prefix tokens included.
    patches : Metrics
        Over patch tokens alone.
    """

    all_tokens: Metrics
    patches: Metrics

    def to_json(self) -> dict[str, Any]:
        """Return both as JSON-compatible values: those of all tokens, and `patches`."""
        return self.all_tokens.to_json() | {"patches": self.patches.to_json()}


@torch.no_grad()
def measure(
    sae: SparseAutoencoder,
    chunks: Callable[[], Iterable[Tensor]],
    *,
    prefix_tokens: int = 0,
    device: str = "cpu",
    at_once: int = TOKENS_AT_ONCE,
) -> Measured:
    """Measure an SAE over an image set, in two passes.

    Parameters
    ----------
    sae : SparseAutoencoder
        Anything with `encode`, `decode`, `d_model` and `d_sae`.
    chunks : callable
        Called three times; returns the same images each time, float32 [images, tokens, d_model] per item.
    prefix_tokens : int
        Tokens at the start of each image that belong to no patch.
    device : str
        Where the SAE is.
    at_once : int
        Tokens that are encoded at a time; bounds the memory.
    """
    everything = MetricAccumulator(token_moments(map(_flat, chunks()), sae.d_model), sae.d_sae)
    only_patches = (_flat(images[:, prefix_tokens:]) for images in chunks())
    patches = MetricAccumulator(token_moments(only_patches, sae.d_model), sae.d_sae)
    for images in chunks():
        is_patch = torch.zeros(images.shape[:2], dtype=torch.bool)
        is_patch[:, prefix_tokens:] = True
        flat, flags = _flat(images), is_patch.reshape(-1)
        for start in range(0, len(flat), at_once):
            x = flat[start : start + at_once].to(device)
            latents = sae.encode(x)
            x_hat = sae.decode(latents)
            everything.update(x, latents, x_hat)
            mask = flags[start : start + at_once].to(device)
            patches.update(x[mask], latents[mask], x_hat[mask])
    return Measured(everything.compute(), patches.compute())


def _flat(images: Tensor) -> Tensor:
    return images.reshape(-1, images.shape[-1])


@torch.no_grad()
def batch_metrics(sae: SparseAutoencoder, tokens: Tensor) -> dict[str, float]:
    """Return `fvu` and `l0` of one batch, for the live display; the batch's own mean stands for x̄."""
    x = tokens.reshape(-1, tokens.shape[-1])
    latents = sae.encode(x)
    error = (sae.decode(latents) - x).square().sum(dtype=torch.float64)
    variance = (x - x.mean(dim=0)).square().sum(dtype=torch.float64)
    l0 = (latents > 0).sum(dim=1).double().mean()
    return {"fvu": _ratio(float(error), float(variance)), "l0": float(l0)}
