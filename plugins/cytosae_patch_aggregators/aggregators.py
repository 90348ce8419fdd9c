"""Count, maximum and mean of each latent over the patches of an image.

All three see patches only. The mean over *all* tokens of an image, prefix tokens included, from which an
atlas computes its latent statistics, is another quantity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_patch_aggregators import CountOptions
from cytosae_toolkit.interfaces.aggregator import Activations, Aggregator, ImageContext
from cytosae_toolkit.interfaces.specs import Options


class Count(Aggregator):
    """a_i[s] = Σ_j 1(h_ij[s] > τ) over the patches j of image i (CytoSAE, Eq. 2).

    Parameters
    ----------
    threshold : float
        τ, not negative; the comparison is strict.
    """

    def __init__(self, threshold: float = 0.2) -> None:
        self.threshold = np.float32(threshold)

    def init(self, d_sae: int) -> NDArray[np.int64]:
        """Return zeros, int64 [d_sae]."""
        return np.zeros(d_sae, dtype=np.int64)

    def update(self, state: NDArray[np.int64], activations: Activations, image: ImageContext) -> NDArray[np.int64]:
        """Count patches above the threshold."""
        if isinstance(activations, np.ndarray):
            found = (activations > self.threshold).sum(axis=0)
        else:
            latents = activations.indices[activations.data > self.threshold]
            found = np.bincount(latents, minlength=len(state))
        counts: NDArray[np.int64] = state + found.astype(np.int64)
        return counts

    def merge(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add counts."""
        return a + b

    def result(self, state: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the counts, float32 [d_sae]."""
        return state.astype(np.float32)


class Max(Aggregator):
    """The largest activation of any patch; 0 where none fires."""

    def init(self, d_sae: int) -> NDArray[np.float32]:
        """Return zeros, float32 [d_sae]."""
        return np.zeros(d_sae, dtype=np.float32)

    def update(self, state: NDArray[np.float32], activations: Activations, image: ImageContext) -> NDArray[np.float32]:
        """Raise the maximum where patches exceed it."""
        if isinstance(activations, np.ndarray):
            highest: NDArray[np.float32] = np.maximum(state, activations.max(axis=0, initial=0))
            return highest
        raised = state.copy()
        np.maximum.at(raised, activations.indices, activations.data)
        return raised

    def merge(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the larger."""
        return np.maximum(a, b)

    def result(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the maxima, float32 [d_sae]."""
        return state.copy()


@dataclass(frozen=True)
class Sum:
    """State of `Mean`.

    Parameters
    ----------
    total : float64 array [d_sae]
        Sum of activations.
    n_patches : int
        Patches seen.
    """

    total: NDArray[np.float64]
    n_patches: int


class Mean(Aggregator):
    """The mean activation of the patches; 0 if there is no patch."""

    def init(self, d_sae: int) -> Sum:
        """Return an empty sum."""
        return Sum(np.zeros(d_sae), 0)

    def update(self, state: Sum, activations: Activations, image: ImageContext) -> Sum:
        """Add patches."""
        return Sum(state.total + _column_sums(activations), state.n_patches + activations.shape[0])

    def merge(self, a: Sum, b: Sum) -> Sum:
        """Add sums."""
        return Sum(a.total + b.total, a.n_patches + b.n_patches)

    def result(self, state: Sum) -> NDArray[np.float32]:
        """Return the means, float32 [d_sae]."""
        return (state.total / max(state.n_patches, 1)).astype(np.float32)


def _column_sums(activations: Activations) -> NDArray[np.float64]:
    """Return Σ over patches in float64, the same for dense and CSR."""
    if isinstance(activations, np.ndarray):
        sums: NDArray[np.float64] = activations.sum(axis=0, dtype=np.float64)
        return sums
    weights = activations.data.astype(np.float64)
    found = np.bincount(activations.indices, weights=weights, minlength=activations.shape[1])
    return found.astype(np.float64)


def build_count(options: CountOptions) -> Count:
    """Create a `Count`."""
    return Count(options.threshold)


def build_max(options: Options) -> Max:
    """Create a `Max`."""
    return Max()


def build_mean(options: Options) -> Mean:
    """Create a `Mean`."""
    return Mean()
