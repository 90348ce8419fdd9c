"""Images through an SAE: what an atlas keeps of their latents.

For image i with tokens j, and latent s with activation h_ij[s]:

* mean m_i[s] = mean of h over *all* tokens, prefix tokens included; a latent is active on the image if m_i > 0;
* max, peak and heat map look at patches only; the peak is -1 where only a prefix token fires;
* value is whatever the aggregator makes of the patches (the count of Eq. 2 by default).

No number depends on the neighbours of an image. A few images are encoded by one product, which is faster, only where
that gives, bit for bit, what encoding each alone gives; this is tried with the first images of every encoder.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.atlas import kernels
from cytosae_toolkit.atlas.latents import DENSE_SHARE, check_weights, decodes_plainly, finite_codes, reconstruct
from cytosae_toolkit.errors import PluginError
from cytosae_toolkit.interfaces.aggregator import Aggregator, ImageContext
from cytosae_toolkit.interfaces.codes import Codes
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.image_fit import TokenSpread

TOKENS_AT_ONCE = 2304
"""Tokens from which a larger product is hardly faster for each of them."""
MOST_AT_ONCE = 64


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
    patch : int32 array [n]
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
    patch: NDArray[np.int32]
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

    Attributes
    ----------
    at_once : int
        Images that encoded together, a power of two.

    Raises
    ------
    NotFiniteError
        If a weight is NaN or infinite.
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
        check_weights(sae)
        self.sae = sae
        self.aggregator = aggregator
        self.grid = grid
        self.prefix_tokens = prefix_tokens
        self.spread = spread
        self.device = device
        self.at_once = self._most_at_once()
        self._tried = False

    def _most_at_once(self) -> int:
        if type(self.sae).encode_sparse is SparseAutoencoder.encode_sparse or not decodes_plainly(self.sae):
            return 1  # would hold dense latents of all of them
        n_tokens = self.prefix_tokens + int(np.prod(self.grid))
        return min(MOST_AT_ONCE, 1 << max(0, (TOKENS_AT_ONCE // n_tokens).bit_length() - 1))

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
            If a token or a latent is NaN or infinite.
        """
        return self._encode(tokens[None], [row])[0]

    def encode(self, tokens: NDArray[np.float32], rows: list[int]) -> list[ImageCode]:
        """Encode some images: the same as one after the other, and faster for `at_once` of them.

        Parameters
        ----------
        tokens : float32 array [n, n_tokens, d_model]
            Of each image.
        rows : list of int
            Their rows of the image table.
        """
        if len(rows) != self.at_once or self.at_once == 1:
            return [self(x, row) for x, row in zip(tokens, rows, strict=True)]
        found = self._encode(tokens, rows)
        if self._tried:
            return found
        self._tried, alone = True, [self(x, row) for x, row in zip(tokens, rows, strict=True)]
        if not all(_same(a, b) for a, b in zip(found, alone, strict=True)):
            self.at_once = 1
        return alone

    @torch.no_grad()
    def _encode(self, tokens: NDArray[np.float32], rows: list[int]) -> list[ImageCode]:
        x = torch.from_numpy(tokens).to(self.device).flatten(0, 1)
        codes = finite_codes(self.sae, x, f"image {rows[0]}" if len(rows) == 1 else f"images {rows[0]} to {rows[-1]}")
        kept = ImageParts.of(codes, len(rows), self.prefix_tokens)
        if len(rows) > 1 and kept.n_entries.max() > DENSE_SHARE * codes.n_tokens // len(rows) * codes.d_sae:
            self.at_once = 1  # so many non-zeros are decoded otherwise, which each image must decide for itself
            return [self(own, row) for own, row in zip(tokens, rows, strict=True)]
        x_hat = reconstruct(self.sae, codes)
        fits = [self.spread.fvu(*pair) for pair in zip(x.chunk(len(rows)), x_hat.chunk(len(rows)), strict=True)]
        return [self._code(kept.part(i), row, fit) for i, (row, fit) in enumerate(zip(rows, fits, strict=True))]

    def _code(self, part: dict[str, NDArray[Any]], row: int, fvu: float) -> ImageCode:
        start = np.concatenate([[0], np.cumsum(part.pop("n_patches"))])
        values = self._aggregate(part["latent"], start, part["patch"], part["activation"], row)
        n_nonzero = int(part["tokens_active"].sum())
        return ImageCode(**part, value=values[part["latent"]], start=start, n_nonzero=n_nonzero, fvu=fvu)

    def _aggregate(
        self,
        latent: NDArray[np.int64],
        start: NDArray[np.int64],
        patch: NDArray[np.int32],
        activation: NDArray[np.float32],
        row: int,
    ) -> NDArray[np.float32]:
        d_sae, n_patches = self.sae.d_sae, int(np.prod(self.grid))
        offsets = start[np.searchsorted(latent, np.arange(d_sae + 1))]
        patches = sparse.csc_array((activation, patch, offsets), shape=(n_patches, d_sae)).tocsr()
        context = ImageContext(self.grid, row)
        state = self.aggregator.update(self.aggregator.init(d_sae), patches, context)
        values = np.asarray(self.aggregator.result(state), dtype=np.float32)
        if values.shape != (d_sae,) or not np.isfinite(values).all():
            raise PluginError(
                f"The aggregator {type(self.aggregator).__name__} does not give one finite value per latent.",
                "Tell its authors; `cytosae-toolkit plugins check NAME` shows what is wrong.",
            )
        return values


_OF_PAIRS: dict[str, Any] = {
    "latent": np.int64, "mean": np.float32, "max": np.float32, "peak": np.int32, "tokens_active": np.int64,
    "n_patches": np.int64,
}  # fmt: skip
_OF_CELLS: dict[str, Any] = {"patch": np.int32, "activation": np.float32}


@dataclass(frozen=True)
class ImageParts:
    """What some images keep of their latents, image after image.

    Parameters
    ----------
    n_entries : int64 array [n_images]
        Non-zeros over all tokens.
    pairs, cells : int64 array [n_images + 1]
        Where the active latents, and the non-zeros on patches, of each image begin.
    of_pairs, of_cells : dict of str to array
        By name of `ImageCode`; `n_patches` are the patches of each active latent.
    """

    n_entries: NDArray[np.int64]
    pairs: NDArray[np.int64]
    cells: NDArray[np.int64]
    of_pairs: dict[str, NDArray[Any]]
    of_cells: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, codes: Codes, n_images: int, prefix_tokens: int) -> ImageParts:
        """Sort codes of images of equally many tokens by image."""
        start, token, value = (array.cpu().numpy() for array in (codes.start, codes.token, codes.value))
        n_tokens = codes.n_tokens // n_images
        pairs, cells = np.zeros((2, n_images + 1), dtype=np.int64)
        n_entries = np.zeros(n_images, dtype=np.int64)
        kernels.count_images(start, token, n_tokens, prefix_tokens, pairs[1:], n_entries, cells[1:])
        pairs, cells = pairs.cumsum(), cells.cumsum()
        of_pairs = {name: np.empty(pairs[-1], dtype) for name, dtype in _OF_PAIRS.items()}
        of_cells = {name: np.empty(cells[-1], dtype) for name, dtype in _OF_CELLS.items()}
        kernels.summarise(
            start, token, value, n_tokens, prefix_tokens, pairs[:-1].copy(), cells[:-1].copy(),
            *of_pairs.values(), *of_cells.values(),
        )  # fmt: skip
        return cls(n_entries, pairs, cells, of_pairs, of_cells)

    def part(self, i: int) -> dict[str, NDArray[Any]]:
        """Return the arrays of one image."""
        pairs, cells = slice(*self.pairs[i : i + 2]), slice(*self.cells[i : i + 2])
        return {name: array[pairs] for name, array in self.of_pairs.items()} | {
            name: array[cells] for name, array in self.of_cells.items()
        }


def _same(a: ImageCode, b: ImageCode) -> bool:
    """Return whether two codes are equal, bit for bit."""
    return all(np.array_equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(ImageCode))
