"""The contract of an aggregator: from patch activations to images, patients and diseases (CytoSAE, Eq. 2 and 3)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Activations: TypeAlias = "NDArray[np.float32] | sparse.csr_array"
"""Activations of one image's patches, float32 [patches, d_sae], dense or CSR; prefix tokens are not patches."""


@dataclass(frozen=True)
class ImageContext:
    """What an aggregator may know of the image beside its activations.

    Parameters
    ----------
    grid : tuple of int
        Patches per axis, rows first; activations are row-major over it.
    row : int
        Row of the image table.
    """

    grid: tuple[int, ...]
    row: int = -1


class Aggregator(ABC):
    """One value per latent from the patch activations of an image.

    The state is the plugin's own: it is created by `init`, fed with (parts of) one image's patches by `update`,
    joined by `merge` and read by `result`. Feeding an image at once or in parts must give the same result.
    """

    @abstractmethod
    def init(self, d_sae: int) -> Any:
        """Return the empty state for `d_sae` latents."""

    @abstractmethod
    def update(self, state: Any, activations: Activations, image: ImageContext) -> Any:
        """Return the state after more patches of the image.

        Parameters
        ----------
        state
            What `init` or `update` returned; may be changed in place.
        activations : float32 array or CSR [patches, d_sae]
            Latents of patches.
        image : ImageContext
            The image that they belong to.
        """

    @abstractmethod
    def merge(self, a: Any, b: Any) -> Any:
        """Return the state of two disjoint sets of patches of one image together."""

    @abstractmethod
    def result(self, state: Any) -> NDArray[np.float32]:
        """Return the image's value per latent, float32 [d_sae], never NaN; 0 for a latent that never fires."""

    def combine(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the value of a patient from its images, or of a disease from its patients: the mean (Eq. 3).

        Parameters
        ----------
        values : float array [n, d_sae]
            One row per image (or per patient), n ≥ 1.

        Returns
        -------
        float64 array [d_sae]
        """
        mean: NDArray[np.float64] = np.asarray(values, dtype=np.float64).mean(axis=0)
        return mean
