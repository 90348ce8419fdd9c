"""The share of an image's patches on which a latent is active."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cytosae_example_plugin import ShareOptions
from cytosae_toolkit.interfaces.aggregator import Activations, Aggregator, ImageContext


class Counted(NamedTuple):
    """Active patches per latent, and patches seen."""

    active: NDArray[np.int64]
    n_patches: int


class Share(Aggregator):
    """Number of patches above the threshold, divided by the number of patches."""

    def __init__(self, options: ShareOptions) -> None:
        self.options = options

    def init(self, d_sae: int) -> Counted:
        """Return zeros."""
        return Counted(np.zeros(d_sae, np.int64), 0)

    def update(self, state: Counted, activations: Activations, image: ImageContext) -> Counted:
        """Count patches."""
        above = np.asarray((activations > self.options.threshold).sum(axis=0)).ravel()
        return Counted(state.active + above, state.n_patches + activations.shape[0])

    def merge(self, a: Counted, b: Counted) -> Counted:
        """Add counts."""
        return Counted(a.active + b.active, a.n_patches + b.n_patches)

    def result(self, state: Counted) -> NDArray[np.float32]:
        """Return shares, 0 to 1."""
        return (state.active / max(state.n_patches, 1)).astype(np.float32)


def build(options: ShareOptions) -> Share:
    """Create the aggregator."""
    return Share(options)
