"""Mean and covariance of tokens, and what follows from them alone: dominant dimensions, largest norms, the PCA FVU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.errors import CytosaeError

LARGEST_NORMS = 0.01
DOMINANT_DIMENSION = 0.5


@dataclass(frozen=True)
class TokenMoments:
    """First pass: what must be known of the tokens before their variance can be split.

    Parameters
    ----------
    count : int
        Number of tokens.
    mean : float64 array [d_model]
        x̄.
    covariance : float64 array [d_model, d_model]
        Σ (x - x̄)(x - x̄)ᵀ, not divided by the count.
    largest_norm : float
        Tokens with a norm above this are those left out of robust values.
    """

    count: int
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    largest_norm: float

    @property
    def dominant(self) -> NDArray[np.bool_]:
        """Dimensions that hold more than half of the variance, bool [d_model]."""
        variance = np.diag(self.covariance)
        return np.asarray(variance > DOMINANT_DIMENSION * max(variance.sum(), 1e-300))


class MomentAccumulator:
    """Accumulate count, mean and covariance in float64, shifted by the first chunk's mean, so that nothing cancels."""

    def __init__(self, d_model: int) -> None:
        self.count = 0
        self._shift: Tensor | None = None
        self._sum = torch.zeros(d_model, dtype=torch.float64)
        self._product = torch.zeros(d_model, d_model, dtype=torch.float64)

    def update(self, tokens: Tensor) -> None:
        """Add tokens, float [n, d_model]."""
        if not len(tokens):
            return
        x = tokens.to("cpu", torch.float64)
        if self._shift is None:
            self._shift = x.mean(dim=0)
        x = x - self._shift
        self.count += len(x)
        self._sum += x.sum(dim=0)
        self._product += x.T @ x

    def mean(self) -> NDArray[np.float64]:
        """Return x̄, float64 [d_model]."""
        if self._shift is None:
            return self._sum.numpy()
        return (self._shift + self._sum / self.count).numpy()

    def covariance(self) -> NDArray[np.float64]:
        """Return Σ (x - x̄)(x - x̄)ᵀ, float64 [d_model, d_model]."""
        if not self.count:
            return self._product.numpy()
        return (self._product - torch.outer(self._sum, self._sum) / self.count).numpy()


def token_moments(chunks: Iterable[Tensor], d_model: int) -> TokenMoments:
    """Run the first pass.

    Parameters
    ----------
    chunks : iterable of torch.Tensor
        Tokens, float [n, d_model] each.
    d_model : int
        Length of a token.

    Raises
    ------
    CytosaeError
        If there are no tokens.
    """
    moments = MomentAccumulator(d_model)
    lengths: list[NDArray[np.float64]] = []
    for tokens in chunks:
        moments.update(tokens)
        lengths.append(norms(tokens.to("cpu", torch.float64)))
    if not moments.count:
        raise CytosaeError("There are no tokens to measure.", "Give at least one readable image.")
    kept = moments.count - int(LARGEST_NORMS * moments.count)
    limit = float(np.partition(np.concatenate(lengths), kept - 1)[kept - 1])
    return TokenMoments(moments.count, moments.mean(), moments.covariance(), limit)


def norms(tokens: Tensor) -> NDArray[np.float64]:
    """Return Euclidean norms, float64 [n]; NumPy sums each row alike, however many there are."""
    return np.asarray(np.sqrt(np.square(tokens.numpy()).sum(axis=1)))


def pca_fvu(covariance: NDArray[np.float64], components: int) -> float:
    """Return the fraction of variance that the leading principal components leave unexplained."""
    eigenvalues = np.clip(np.linalg.eigvalsh(covariance), 0, None)
    total = eigenvalues.sum()
    if total == 0:
        return 0.0
    return float(eigenvalues[: len(eigenvalues) - components].sum() / total)
