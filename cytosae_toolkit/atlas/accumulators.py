"""Sums over all patches of an image set that are exact whatever the order, so that shards add up bit for bit.

Activations are added as whole multiples of 2⁻³⁰ and their squares as pairs of integers (2⁻¹⁰ and 2⁻⁵⁰), in int64:
integer addition does not round, so parts of an image set, added in any order, give what the whole gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIXED = 2.0**30
HIGH = 2.0**10
LOW_BITS = 40
LARGEST_AXIS = 16
"""Patches per axis up to which each patch is a position of its own; finer grids are binned."""


@dataclass(frozen=True)
class Positions:
    """Where in the image a patch lies: the patch itself, or its bin on fine grids.

    Parameters
    ----------
    grid : tuple of int
        Patches per axis.
    """

    grid: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Positions per axis."""
        return tuple(ceil(n / self._factor(n)) for n in self.grid)

    @property
    def of_patch(self) -> NDArray[np.int64]:
        """Position of each patch, int64 [n_patches]."""
        axes = np.meshgrid(*(np.arange(n) // self._factor(n) for n in self.grid), indexing="ij")
        return np.asarray(np.ravel_multi_index([axis.reshape(-1) for axis in axes], self.shape))

    @staticmethod
    def _factor(n: int) -> int:
        return ceil(n / LARGEST_AXIS)


class PatchSums:
    """Sums per latent over the patches and tokens of an image set.

    Parameters
    ----------
    d_sae : int
        Latents.
    grid : tuple of int
        Patches per axis.
    n_sets : int
        Image sets.
    threshold : float
        τ, for the share of activations above it.

    Attributes
    ----------
    position_sum : int64 array [positions, d_sae]
        Σ h · 2³⁰ over images.
    square_high, square_low : int64 array [d_sae]
        Σ h² of patches = high · 2⁻¹⁰ + low · 2⁻⁵⁰.
    active_patches : int64 array [n_sets, d_sae]
        Patches with h > 0.
    active_tokens : int64 array [d_sae]
        The same over all tokens.
    n_images : int64 array [n_sets]
        Images.
    n_active, n_above : int
        Active patches of all latents; those above τ.
    """

    def __init__(self, d_sae: int, grid: tuple[int, ...], n_sets: int, threshold: float) -> None:
        positions = Positions(grid)
        self.threshold = np.float32(threshold)
        self._position = positions.of_patch
        self.position_sum = np.zeros((int(np.prod(positions.shape)), d_sae), dtype=np.int64)
        self.square_high = np.zeros(d_sae, dtype=np.int64)
        self.square_low = np.zeros(d_sae, dtype=np.int64)
        self.active_patches = np.zeros((n_sets, d_sae), dtype=np.int64)
        self.active_tokens = np.zeros(d_sae, dtype=np.int64)
        self.n_images = np.zeros(n_sets, dtype=np.int64)
        self.n_active = 0
        self.n_above = 0

    def update(
        self,
        image_set: int,
        latent: NDArray[np.int64],
        patch: NDArray[np.integer[Any]],
        activation: NDArray[np.float32],
        tokens_active: NDArray[np.int64],
        active: NDArray[np.int64],
    ) -> None:
        """Add one image.

        Parameters
        ----------
        image_set : int
            Its set.
        latent, patch : int array [n]
            Latent and patch of each non-zero activation on patches.
        activation : float32 array [n]
            h.
        tokens_active : int64 array [n_active]
            Number of tokens, prefix included, on which each active latent fires.
        active : int64 array [n_active]
            The active latents.
        """
        from cytosae_toolkit.atlas.kernels import add_patches  # numba takes a while to import, and readers need none

        add_patches(
            latent, self._position[patch], activation, (FIXED, HIGH, 2.0**LOW_BITS), LOW_BITS,
            self.position_sum, self.square_high, self.square_low, self.active_patches[image_set],
        )  # fmt: skip
        self.active_tokens[active] += tokens_active
        self.n_images[image_set] += 1
        self.n_active += len(latent)
        self.n_above += int((activation > self.threshold).sum())

    def _carry(self) -> None:
        self.square_high += self.square_low >> LOW_BITS
        self.square_low &= (1 << LOW_BITS) - 1

    def square_sum(self, first: int, stop: int) -> NDArray[np.float64]:
        """Return Σ h² over patches of some latents, float64 [stop - first]."""
        high, low = self.square_high[first:stop], self.square_low[first:stop]
        return high / HIGH + low / (HIGH * 2.0**LOW_BITS)

    def add(self, other: PatchSums, sets: NDArray[np.int64]) -> None:
        """Add the sums of other images; `sets` says which set here each of theirs is."""
        for name in ("position_sum", "square_high", "square_low", "active_tokens"):
            mine: NDArray[np.int64] = getattr(self, name)
            mine += getattr(other, name)
        self._carry()
        np.add.at(self.active_patches, sets, other.active_patches)
        np.add.at(self.n_images, sets, other.n_images)
        self.n_active += other.n_active
        self.n_above += other.n_above

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return everything as arrays by name; `restore` reads them."""
        names = ("position_sum", "square_high", "square_low", "active_patches", "active_tokens", "n_images")
        arrays = {name: getattr(self, name) for name in names}
        return arrays | {"counts": np.array([self.n_active, self.n_above], dtype=np.int64)}

    def restore(self, arrays: Mapping[str, NDArray[np.int64]]) -> None:
        """Set everything from what `arrays` returned."""
        for name, values in arrays.items():
            if name == "counts":
                self.n_active, self.n_above = (int(value) for value in values)
            else:
                setattr(self, name, np.array(values))
