"""One image through an SAE: what an atlas keeps of its latents.

For image i with tokens j, and latent s with activation h_ij[s]:

* mean m_i[s] = mean of h over *all* tokens, prefix tokens included; a latent is active on the image if m_i > 0;
* max, peak and heat map look at patches only; the peak is -1 where only a prefix token fires;
* value is whatever the aggregator makes of the patches (the count of Eq. 2 by default).

Images are encoded one by one, so no number depends on the neighbours of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from cytosae_toolkit.errors import NotFiniteError, PluginError
from cytosae_toolkit.interfaces.aggregator import Aggregator, ImageContext
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.image_fit import TokenSpread

DENSE_SHARE = 0.1
"""Share of non-zero latents from which decoding by a dense product is faster."""


@dataclass(frozen=True)
class ImageCode:
    """The non-zero latents of one image, latent by latent.

    Parameters
    ----------
    latent : int64 array [n_active]
        Active latents, ascending.
    mean, max, value : float32 array [n_active]
        See the top of this module.
    peak : int32 array [n_active]
        Patch of the largest activation, row-major, -1 if only a prefix token fires.
    start : int64 array [n_active + 1]
        Where each latent's patches begin in the next two.
    patch : int64 array [n]
        Patches on which the latents are active, ascending within a latent.
    activation : float32 array [n]
        h on these patches.
    tokens_active : int64 array [n_active]
        Tokens, prefix included, on which each latent is active.
    n_nonzero : int
        Non-zero activations over all tokens.
    fvu : float
        Of the image, held against the training tokens; see `cytosae_toolkit.training.image_fit`.
    """

    latent: NDArray[np.int64]
    mean: NDArray[np.float32]
    max: NDArray[np.float32]
    value: NDArray[np.float32]
    peak: NDArray[np.int32]
    start: NDArray[np.int64]
    patch: NDArray[np.int64]
    activation: NDArray[np.float32]
    tokens_active: NDArray[np.int64]
    n_nonzero: int
    fvu: float


class ImageEncoder:
    """Encodes images with one SAE and one aggregator.

    Parameters
    ----------
    sae : SparseAutoencoder
        Ready, on `device`.
    aggregator : Aggregator
        From patches to one value per latent.
    grid : tuple of int
        Patches per axis.
    prefix_tokens : int
        Tokens before the patch tokens.
    spread : TokenSpread
        Where training tokens lie, for the FVU.
    device : str
        Where to encode.
    """

    def __init__(
        self,
        sae: SparseAutoencoder,
        aggregator: Aggregator,
        grid: tuple[int, ...],
        prefix_tokens: int,
        spread: TokenSpread,
        device: str = "cpu",
    ) -> None:
        self.sae = sae
        self.aggregator = aggregator
        self.grid = grid
        self.prefix_tokens = prefix_tokens
        self.spread = spread
        self.device = device
        self._plain_decoder = type(sae).decode is SparseAutoencoder.decode

    @torch.no_grad()
    def __call__(self, tokens: NDArray[np.float32], row: int) -> ImageCode:
        """Encode one image.

        Parameters
        ----------
        tokens : float32 array [n_tokens, d_model]
            All tokens, prefix first.
        row : int
            Row of the image table, told to the aggregator.

        Raises
        ------
        NotFiniteError
            If a latent is NaN or infinite.
        """
        x = torch.from_numpy(tokens).to(self.device)
        h = self.sae.encode(x)
        token, latent, activation = _nonzero(h)
        if not np.isfinite(activation).all():
            raise NotFiniteError(f"The SAE gives NaN or infinite latents on image {row}.", "Train it again.")
        fvu = self.spread.fvu(x, self._decode(h, token, latent, activation))
        return self._summarise(token, latent, activation, h.shape, row, fvu)

    def _decode(
        self, h: Tensor, token: NDArray[np.int64], latent: NDArray[np.int64], activation: NDArray[np.float32]
    ) -> Tensor:
        """Decode; on the non-zeros alone where the variant's decoder is the plain one (the same up to rounding)."""
        if not self._plain_decoder or h.device.type != "cpu" or len(token) > DENSE_SHARE * h.numel():
            return self.sae.decode(h)
        codes = sparse.csr_array((activation, latent, _offsets(token, h.shape[0])), shape=tuple(h.shape))
        return torch.from_numpy(codes @ self.sae.W_dec.detach().numpy()) + self.sae.b_dec

    def _summarise(
        self,
        token: NDArray[np.int64],
        latent: NDArray[np.int64],
        activation: NDArray[np.float32],
        shape: tuple[int, ...],
        row: int,
        fvu: float,
    ) -> ImageCode:
        n_tokens, d_sae = shape
        values = self._aggregate(token, latent, activation, n_tokens, d_sae, row)
        order = np.argsort(latent, kind="stable")
        latent, patch, activation = latent[order], token[order] - self.prefix_tokens, activation[order]
        starts = np.flatnonzero(np.diff(latent, prepend=-1))
        active = latent[starts]
        on_patches = patch >= 0
        within = np.where(on_patches, activation, np.float32(0))
        largest = np.maximum.reduceat(within, starts) if len(starts) else within[:0]
        return ImageCode(
            latent=active,
            mean=(_sums(activation, starts) / n_tokens).astype(np.float32),
            max=largest,
            value=values[active],
            peak=_peaks(within, largest, patch, starts),
            start=np.append(np.cumsum(on_patches) - on_patches, on_patches.sum())[np.append(starts, len(patch))],
            patch=patch[on_patches],
            activation=activation[on_patches],
            tokens_active=np.diff(np.append(starts, len(patch))),
            n_nonzero=len(latent),
            fvu=fvu,
        )

    def _aggregate(
        self,
        token: NDArray[np.int64],
        latent: NDArray[np.int64],
        activation: NDArray[np.float32],
        n_tokens: int,
        d_sae: int,
        row: int,
    ) -> NDArray[np.float32]:
        first = int(np.searchsorted(token, self.prefix_tokens))
        n_patches = n_tokens - self.prefix_tokens
        offsets = _offsets(token[first:] - self.prefix_tokens, n_patches)
        patches = sparse.csr_array((activation[first:], latent[first:], offsets), shape=(n_patches, d_sae))
        context = ImageContext(self.grid, row)
        state = self.aggregator.update(self.aggregator.init(d_sae), patches, context)
        values = np.asarray(self.aggregator.result(state), dtype=np.float32)
        if values.shape != (d_sae,) or not np.isfinite(values).all():
            raise PluginError(
                f"The aggregator {type(self.aggregator).__name__} does not give one finite value per latent.",
                "Tell its authors; `cytosae-toolkit plugins check NAME` shows what is wrong.",
            )
        return values


def _nonzero(h: Tensor) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return token, latent and activation of everything that is not 0, token by token."""
    if h.device.type == "cpu":
        flat = h.numpy().reshape(-1)
        index = np.flatnonzero(flat)
        return index // h.shape[1], index % h.shape[1], flat[index].astype(np.float32)
    found = torch.nonzero(h, as_tuple=True)
    values = h[found].float().cpu().numpy()
    return found[0].cpu().numpy(), found[1].cpu().numpy(), values


def _offsets(sorted_rows: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Return where each row begins among sorted row numbers, int64 [n_rows + 1]."""
    return np.searchsorted(sorted_rows, np.arange(n_rows + 1)).astype(np.int64)


def _sums(values: NDArray[np.float32], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(starts):
        return np.zeros(0)
    sums: NDArray[np.float64] = np.add.reduceat(values.astype(np.float64), starts)
    return sums


def _peaks(
    within: NDArray[np.float32], largest: NDArray[np.float32], patch: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Return the first patch that reaches the largest activation of each latent, -1 where no patch is active."""
    peaks = np.full(len(starts), -1, dtype=np.int32)
    segment = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(patch))))
    hits = np.flatnonzero((within == largest[segment]) & (within > 0))[::-1]
    peaks[segment[hits]] = patch[hits]  # backwards, so that the first patch is written last
    return peaks
