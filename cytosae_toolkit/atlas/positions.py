"""Where in the image a latent fires: sums over patches, and what position explains.

Only images on which a latent is active are looked at: elsewhere it is 0 at every patch. Otherwise a stain that always
falls on the same patch, but on few images, would seem as free of position as a rare cell structure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.references import top_references
from cytosae_toolkit.atlas.segments import divide

PEAKS = 20
"""References whose peaks are looked at, however many are kept."""
MIN_PEAKS = 10
FIXED = 2.0**30
"""Activations are summed as whole multiples of its inverse."""


@dataclass(frozen=True)
class PatchTotals:
    """Sums over the patches of all images, of a range of latents.

    Parameters
    ----------
    position_sum : int64 array [positions, n_latents]
        Σ h · 2³⁰ over images and the patches of a position.
    shape : tuple of int
        Positions per axis, row-major.
    patches : int64 array [positions]
        Patches that share each position.
    square_sum : float64 array [n_latents]
        Σ h² over patches.
    active_patches : int64 array [n_sets, n_latents]
        Patches with h > 0.
    active_tokens : int64 array [n_latents]
        Tokens with h > 0, prefix included.
    n_images : int64 array [n_sets]
        Images of each set.
    prefix_tokens : int
        Of each image.
    grid : tuple of int, optional
        Patches per axis, where positions are bins of several patches.
    """

    position_sum: NDArray[np.int64]
    shape: tuple[int, ...]
    patches: NDArray[np.int64]
    square_sum: NDArray[np.float64]
    active_patches: NDArray[np.int64]
    active_tokens: NDArray[np.int64]
    n_images: NDArray[np.int64]
    prefix_tokens: int
    grid: tuple[int, ...] | None = None

    @property
    def n_patches(self) -> int:
        """Patches of an image."""
        return int(self.patches.sum())

    @property
    def density(self) -> NDArray[np.float64]:
        """Share of all patches on which each latent is active, float64 [n_latents]."""
        return divide(self.active_patches.sum(axis=0), self.n_images.sum() * self.n_patches)

    @property
    def density_tokens(self) -> NDArray[np.float64]:
        """The same of all tokens, prefix included; float64 [n_latents]."""
        return divide(self.active_tokens, self.n_images.sum() * (self.n_patches + self.prefix_tokens))

    def density_in(self, image_set: int) -> NDArray[np.float64]:
        """Return the share of the patches of one set on which each latent is active, float64 [n_latents]."""
        return divide(self.active_patches[image_set], self.n_images[image_set] * self.n_patches)


def position_r2(totals: PatchTotals, n_active: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of the variance of h over patches that their position explains.

    R² = (variance between positions) / (variance of all N patches of the images on which the latent is active),
    adjusted for the number P of positions: 1 - (1 - R²) (N - 1) / (N - P).

    Parameters
    ----------
    totals : PatchTotals
        Sums of the latents.
    n_active : int64 array [n_latents]
        Images on which each latent is active.

    Returns
    -------
    float64 array [n_latents]
        Clipped at 0; NaN where a latent never fires on a patch, or N ≤ P.
    """
    whole, between = np.zeros(len(n_active)), np.zeros(len(n_active))
    for sums, n_patches in zip(totals.position_sum, totals.patches, strict=True):
        h = sums / FIXED
        whole += h
        between += np.square(h) / n_patches
    n = n_active * totals.n_patches
    correction = divide(np.square(whole), n)
    r2 = divide(divide(between, n_active) - correction, totals.square_sum - correction)
    adjusted = 1 - (1 - np.minimum(r2, 1)) * divide(n - 1, n - len(totals.patches))
    return np.asarray(np.maximum(adjusted, 0))


def off_centre(columns: Columns, facts: ImageFacts, grid: tuple[int, ...]) -> NDArray[np.float64]:
    """Return how far the peaks of a latent's 20 best references lie on one side of the image.

    With v_r the place of a peak as seen from the image's centre (in shares of each axis), |Σ v_r|² / (n Σ |v_r|²): 1 if
    all lie at one place off the centre, about 1/n if they are scattered about it as the parts of a cell are.

    Parameters
    ----------
    columns, facts : Columns, ImageFacts
        Values and images.
    grid : tuple of int
        Patches per axis, in which `Columns.peak` counts.

    Returns
    -------
    float64 array [n_latents]
        NaN with fewer than `MIN_PEAKS` references that have a peak, or all in the centre.
    """
    peaks = top_references(columns, facts, PEAKS).peaks
    found = peaks >= 0
    together, apart = np.zeros(len(peaks)), np.zeros(len(peaks))
    for place, n in zip(np.unravel_index(np.maximum(peaks, 0), grid), grid, strict=True):
        offset = np.where(found, (place + 0.5) / n - 0.5, 0)
        together += np.square(np.cumsum(offset, axis=1)[:, -1])
        apart += np.cumsum(np.square(offset), axis=1)[:, -1]
    n_found = found.sum(axis=1)
    return np.where(n_found >= MIN_PEAKS, divide(together, n_found * apart), np.nan)


def border_share(totals: PatchTotals) -> NDArray[np.float64]:
    """Return the share of a latent's activation that lies in the outermost ring of positions.

    To be held against the share of patches in the ring, which a latent without any preference would reach (0.234 of a
    16 x 16 grid).

    Returns
    -------
    float64 array [n_latents]
        0 to 1; NaN where a latent never fires on a patch.
    """
    return divide(totals.position_sum[ring(totals.shape)].sum(axis=0), totals.position_sum.sum(axis=0))


def ring(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which positions lie at an end of an axis, bool [positions]."""
    inner = np.zeros(shape, dtype=bool)
    inner[tuple(slice(1, -1) for _ in shape)] = True
    return np.asarray(~inner.reshape(-1))
