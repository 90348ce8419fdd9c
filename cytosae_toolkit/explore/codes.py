"""The latents of one image, kept sparse: row by row for patches, column by column for latents.

The image is encoded once, exactly as an atlas encodes it; afterwards a heat map, the latents of a patch and the
statistics of an image are looked up, so they equal those of the atlas bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.codes import Codes


@dataclass(frozen=True)
class ImageCodes:
    """All latents of one image.

    Parameters
    ----------
    tokens : csr_array float32 [n_tokens, d_sae]
        Activations above 0, prefix tokens first.
    prefix_tokens : int
        Tokens before the patch tokens.
    grid : (int, int)
        Rows and columns of patches.
    """

    tokens: sparse.csr_array
    prefix_tokens: int
    grid: tuple[int, int]

    @classmethod
    def of(cls, codes: Codes, prefix_tokens: int, grid: tuple[int, int]) -> ImageCodes:
        """Keep the non-zero latents of an image."""
        start, token, value = (array.cpu().numpy() for array in (codes.start, codes.token, codes.value))
        columns = sparse.csc_array((value, token, start), shape=(codes.n_tokens, codes.d_sae))
        return cls(columns.tocsr(), prefix_tokens, grid)

    @cached_property
    def patches(self) -> sparse.csr_array:
        """Activations of the patches, CSR float32 [n_patches, d_sae]; shares the memory of `tokens`."""
        starts = self.tokens.indptr[self.prefix_tokens :]
        data, indices = (array[starts[0] :] for array in (self.tokens.data, self.tokens.indices))
        return sparse.csr_array((data, indices, starts - starts[0]), shape=(len(starts) - 1, self.d_sae))

    @cached_property
    def columns(self) -> sparse.csc_array:
        """All tokens column by column, CSC float32 [n_tokens, d_sae]."""
        return self.tokens.tocsc()

    @property
    def d_sae(self) -> int:
        """Number of latents."""
        return int(self.tokens.shape[1])

    @property
    def l0(self) -> float:
        """Mean number of active latents per token."""
        return float(self.tokens.nnz / self.tokens.shape[0])

    def heatmap(self, latent: int) -> NDArray[np.float32]:
        """Return the activation of a latent on each patch, float32 [rows, columns]."""
        begin, end = self.columns.indptr[latent : latent + 2]
        out = np.zeros(self.tokens.shape[0], dtype=np.float32)
        out[self.columns.indices[begin:end]] = self.columns.data[begin:end]
        return out[self.prefix_tokens :].reshape(self.grid)

    def at_patch(self, patch: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the active latents of a patch (row-major) and their activations, latents ascending."""
        begin, end = self.patches.indptr[patch : patch + 2]
        return self.patches.indices[begin:end].astype(np.int64), self.patches.data[begin:end]

    def means(self) -> NDArray[np.float32]:
        """Return m, the mean of each latent over all tokens, prefix included, float32 [d_sae]."""
        out = np.zeros(self.d_sae, dtype=np.float32)
        out[self._active] = (self._sums / self.tokens.shape[0]).astype(np.float32)
        return out

    def patch_share(self) -> NDArray[np.float64]:
        """Return the share of patches on which each latent is active, float64 [d_sae]."""
        share: NDArray[np.float64] = np.bincount(self.patches.indices, minlength=self.d_sae) / self.patches.shape[0]
        return share

    def table(self, threshold: float) -> pd.DataFrame:
        """Return the active latents of the image, largest mean first, the lower latent first among equals.

        Parameters
        ----------
        threshold : float
            τ of the count.

        Returns
        -------
        DataFrame
            Index `latent`; `mean` (over all tokens) and `max` (over patches), float32; `peak`, row-major index of
            the patch of the largest activation, -1 if only a prefix token fires; `count`, patches above τ (Eq. 2).
        """
        starts = self._starts
        token = self.columns.indices
        within = np.where(token >= self.prefix_tokens, self.columns.data, np.float32(0))
        largest = np.maximum.reduceat(within, starts) if len(starts) else within[:0]
        above = np.add.reduceat((within > threshold).astype(np.int64), starts) if len(starts) else starts
        found = pd.DataFrame(
            {
                "mean": (self._sums / self.tokens.shape[0]).astype(np.float32),
                "max": largest,
                "peak": self._peaks(within, largest),
                "count": above,
            },
            index=pd.Index(self._active, name="latent"),
        )
        return found.sort_values("mean", ascending=False, kind="stable")

    @property
    def _active(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.diff(self.columns.indptr))

    @property
    def _starts(self) -> NDArray[np.int64]:
        return np.asarray(self.columns.indptr[self._active], dtype=np.int64)

    @property
    def _sums(self) -> NDArray[np.float64]:
        starts = self._starts
        return np.add.reduceat(self.columns.data.astype(np.float64), starts) if len(starts) else np.zeros(0)

    def _peaks(self, within: NDArray[np.float32], largest: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return the first patch that reaches the largest activation of each active latent, -1 without any."""
        peaks = np.full(len(largest), -1, dtype=np.int32)
        segment = np.repeat(np.arange(len(largest)), np.diff(self.columns.indptr)[self._active])
        hits = np.flatnonzero((within == largest[segment]) & (within > 0))[::-1]
        peaks[segment[hits]] = self.columns.indices[hits] - self.prefix_tokens  # backwards: the first is written last
        return peaks
