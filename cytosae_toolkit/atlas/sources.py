"""Where the per-image values of an atlas come from: parts just built, or an atlas that gets more images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.atlas.accumulators import PatchSums
from cytosae_toolkit.atlas.blocks import BlockFile, Entries, Heats
from cytosae_toolkit.atlas.gathering import ranges

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.part import Part
    from cytosae_toolkit.training.image_fit import ImageFit

RowMatrices = tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array]
"""Value, mean and max of consecutive images, each CSR float32 [n, d_sae]."""
IMAGE_ARRAYS = ("fvu", "l0", "unlike", "colour", "cell")
"""What is kept in memory of each image."""
EMBEDDINGS = ("cls", "mean_patch")
"""What is streamed: float32 [n, d_model] each."""


class Source(Protocol):
    """Consecutive images of an atlas in the making; rows count from 0 within the source."""

    set_names: Sequence[str]
    skipped: list[dict[str, str]]

    def images(self) -> tuple[pd.DataFrame, dict[str, NDArray[Any]]]:
        """Return the table (with `group`, `set`, `key`, absolute `path`) and the arrays of `IMAGE_ARRAYS`."""

    def latent_counts(self) -> NDArray[np.int64]:
        """Return the number of images on which each latent is active, int64 [d_sae]."""

    def entries(self, first: int, stop: int) -> Entries:
        """Return the entries of latents ``first … stop-1``, sorted by latent, then row."""

    def heats(self, first: int, stop: int) -> Heats:
        """Return the heat maps that are known for these latents."""

    def matrices(self) -> Iterator[RowMatrices]:
        """Yield all rows in order, some at a time."""

    def embeddings(self) -> Iterator[dict[str, NDArray[np.float32]]]:
        """Yield the arrays of `EMBEDDINGS` of all images in order, some at a time."""

    def pictures(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield all pictures in order, some at a time: where each begins, and the bytes."""

    def add_sums(self, sums: PatchSums, set_names: Sequence[str]) -> None:
        """Add the patch sums, the sets being numbered as in `set_names`."""


class PartSource:
    """The images of a part.

    Parameters
    ----------
    part : Part
        Complete.
    d_sae : int
        Latents.
    grid : tuple of int
        Patches per axis.
    fit : ImageFit, optional
        What is usual among the training images; without it no image is unlike them.
    """

    def __init__(self, part: Part, d_sae: int, grid: tuple[int, ...], fit: ImageFit | None) -> None:
        self.part, self.d_sae, self.grid, self.fit = part, d_sae, grid, fit
        self.set_names: Sequence[str] = part.plan["sets"]
        self.skipped = part.skipped
        self._paths = part.block_paths()
        sizes = [len(BlockFile(path).image_array("positions")) for path in self._paths]
        self._firsts = np.cumsum([0, *sizes])

    def images(self) -> tuple[pd.DataFrame, dict[str, NDArray[Any]]]:
        """Return the readable rows of the image table, and what was measured on them."""
        arrays = {name: self._joined(name) for name in ("positions", "fvu", "l0", "colour", "cell")}
        positions = arrays.pop("positions").astype(np.int64) - self.part.first_row
        pairs = zip(arrays["fvu"], arrays["l0"], strict=True)
        judged = (self.fit is not None and self.fit.judge(*pair) for pair in pairs)
        arrays["unlike"] = np.fromiter(judged, dtype=bool, count=len(positions))
        table = self.part.images().iloc[positions].reset_index(drop=True)
        pyarrow.default_memory_pool().release_unused()  # or what it decoded stays beside the table
        return table, arrays

    def _joined(self, name: str) -> NDArray[Any]:
        arrays = [BlockFile(path).image_array(name) for path in self._paths]
        filled = [array for array in arrays if len(array)]
        return np.concatenate(filled) if filled else np.zeros(0, dtype=np.float32)

    def latent_counts(self) -> NDArray[np.int64]:
        """Return the number of images on which each latent is active."""
        counts = np.zeros(self.d_sae, dtype=np.int64)
        for path in self._paths:
            counts += BlockFile(path).latent_counts()
        return counts

    def entries(self, first: int, stop: int) -> Entries:
        """Return the entries of a range of latents."""
        pieces = (BlockFile(path).entries(first, stop) for path in self._paths)
        return join_entries(pieces, self._firsts[:-1].tolist(), stop - first)

    def heats(self, first: int, stop: int) -> Heats:
        """Return the heat maps of a range of latents."""
        pieces = (BlockFile(path).heats(first, stop) for path in self._paths)
        return join_heats(pieces, self._firsts[:-1].tolist(), stop - first)

    def matrices(self) -> Iterator[RowMatrices]:
        """Yield the rows of each block."""
        for path in self._paths:
            block = BlockFile(path)
            entries, n = block.entries(), len(block.image_array("positions"))
            yield _csr(entries, entries.value, n), _csr(entries, entries.mean, n), _csr(entries, entries.max, n)

    def embeddings(self) -> Iterator[dict[str, NDArray[np.float32]]]:
        """Yield the embeddings of each block."""
        for path in self._paths:
            block = BlockFile(path)
            yield {name: block.image_array(name) for name in EMBEDDINGS}

    def pictures(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield the pictures of each block."""
        for path in self._paths:
            block = BlockFile(path)
            yield block.image_array("picture_offsets"), block.image_array("pictures")

    def add_sums(self, sums: PatchSums, set_names: Sequence[str]) -> None:
        """Add the patch sums of the part."""
        own = PatchSums(self.d_sae, self.grid, len(self.set_names), 0.0)
        if self.part.load_sums(own) is not None:
            sums.add(own, np.array([set_names.index(name) for name in self.set_names], dtype=np.int64))


def _csr(entries: Entries, values: NDArray[np.float32], n: int) -> sparse.csr_array:
    """Turn entries, sorted by latent, into rows; zeros are left out."""
    kept = values != 0
    latent = np.repeat(np.arange(len(entries.indptr) - 1), np.diff(entries.indptr))[kept]
    matrix = sparse.csr_array(
        (values[kept], (entries.rows[kept].astype(np.int64), latent)), shape=(n, len(entries.indptr) - 1)
    )
    matrix.sort_indices()
    return matrix


def join_entries(pieces: Iterable[Entries], firsts: Sequence[int], n_latents: int) -> Entries:
    """Join entries of consecutive images into one, sorted by latent, then image.

    Parameters
    ----------
    pieces : iterable of Entries
        The same latents, different images. Of each only the entries are held: there may be as many pieces as blocks.
    firsts : sequence of int
        What to add to the rows of each.
    n_latents : int
        Number of latents.
    """
    total = np.zeros(n_latents + 1, dtype=np.int64)
    found = [_nothing(total, np.int64, np.float32, np.float32, np.float32, np.int32)]
    for piece, first in zip(pieces, firsts, strict=True):
        total += piece.indptr
        rows = piece.rows.astype(np.int64) + first
        found.append((_latents(piece.indptr), rows, piece.mean, piece.max, piece.value, piece.peak))
    latent, *columns = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = np.argsort(latent, kind="stable")
    return Entries(total, *(column[order] for column in columns))


def join_heats(pieces: Iterable[Heats], firsts: Sequence[int], n_latents: int) -> Heats:
    """Join heat maps of consecutive images into one, sorted by latent, then image; arguments as `join_entries`."""
    total = np.zeros(n_latents + 1, dtype=np.int64)
    found = [_nothing(total, np.int64, np.int64, np.uint16, np.float32)]
    for piece, first in zip(pieces, firsts, strict=True):
        total += piece.indptr
        rows = piece.rows.astype(np.int64) + first
        found.append((_latents(piece.indptr), rows, np.diff(piece.offsets), piece.patch, piece.activation))
    latent, rows, lengths, patch, activation = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = np.argsort(latent, kind="stable")
    cells = ranges((np.cumsum(lengths) - lengths)[order], lengths[order])
    offsets = np.concatenate([[0], np.cumsum(lengths[order])]).astype(np.int64)
    return Heats(total, rows[order], offsets, patch[cells], activation[cells])


def _nothing(indptr: NDArray[np.int64], *dtypes: Any) -> tuple[NDArray[Any], ...]:
    """Return columns without entries: a part may have no readable image."""
    return _latents(indptr), *(np.zeros(0, dtype) for dtype in dtypes)


def _latents(indptr: NDArray[np.int64]) -> NDArray[Any]:
    """Return the latent of each entry in the smallest type that holds it, which sorts fastest."""
    n_latents = len(indptr) - 1
    return np.repeat(np.arange(n_latents, dtype=np.min_scalar_type(n_latents)), np.diff(indptr))
