"""A block of an atlas under construction: what 64 consecutive images of the table gave, in one file.

Entries are sorted by latent, then by image, so that a range of latents is one slice of every array.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_path

Array = NDArray[Any]


@dataclass(frozen=True)
class Entries:
    """Active (latent, image) pairs, sorted by latent, then by image.

    Parameters
    ----------
    indptr : int64 array [n_latents + 1]
        Where each latent begins.
    rows : int64 array [n]
        Image.
    mean, max, value : float32 array [n]
        See `cytosae_toolkit.atlas.encoding`.
    peak : int32 array [n]
        Patch, or -1.
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.int64]
    mean: NDArray[np.float32]
    max: NDArray[np.float32]
    value: NDArray[np.float32]
    peak: NDArray[np.int32]


@dataclass(frozen=True)
class Heats:
    """Heat maps of some (latent, image) pairs, sorted by latent, then by image.

    Parameters
    ----------
    indptr : int64 array [n_latents + 1]
        Where the pairs of each latent begin.
    rows : int64 array [n]
        Image of each pair.
    offsets : int64 array [n + 1]
        Where the patches of each pair begin.
    patch : uint16 array [m]
        Active patches.
    activation : float32 array [m]
        h on them.
    """

    indptr: NDArray[np.int64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    patch: NDArray[np.uint16]
    activation: NDArray[np.float32]


@dataclass(frozen=True)
class BlockImages:
    """What is known of each image of a block.

    Parameters
    ----------
    positions : int64 array [n]
        Row of the image table; unreadable images are left out.
    fvu : float64 array [n]
        See `cytosae_toolkit.training.image_fit`.
    l0 : float64 array [n]
        Mean number of active latents per token.
    cls, mean_patch : float32 array [n, d_model]
        First prefix token (zeros where there is none), mean of the patch tokens.
    colour : float32 array [n, 9]
        Colour moments.
    cell : float64 array [n, 3]
        Nuclear area, nucleus:cytoplasm ratio, cell size; NaN where unknown.
    picture_offsets : int64 array [n + 1]
        Where each picture begins.
    pictures : uint8 array [bytes]
        The images as the backbone saw them, lossless WebP.
    """

    positions: NDArray[np.int64]
    fvu: NDArray[np.float64]
    l0: NDArray[np.float64]
    cls: NDArray[np.float32]
    mean_patch: NDArray[np.float32]
    colour: NDArray[np.float32]
    cell: NDArray[np.float64]
    picture_offsets: NDArray[np.int64]
    pictures: NDArray[np.uint8]


def write_block(path: Path, entries: Entries, heats: Heats, images: BlockImages) -> None:
    """Write a block atomically; it exists whole or not at all."""
    arrays: dict[str, Array] = {}
    for prefix, part in (("entries", entries), ("heats", heats), ("images", images)):
        arrays |= {f"{prefix}.{field.name}": np.ascontiguousarray(getattr(part, field.name)) for field in fields(part)}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary)


class BlockFile:
    """A block on disk; arrays, or slices of them, are read when asked for.

    Raises
    ------
    CytosaeError
        If the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: Any = safe_open(path, framework="numpy")
        except (SafetensorError, OSError) as error:
            raise CytosaeError(
                f"{path} is damaged: {error}.", "Delete it and run the same command with --resume."
            ) from error

    def images(self) -> BlockImages:
        """Return what is known of the images, pictures included."""
        return BlockImages(**{field.name: self._read(f"images.{field.name}") for field in fields(BlockImages)})

    def image_array(self, name: str) -> Array:
        """Return one array of `BlockImages`."""
        return self._read(f"images.{name}")

    def latent_counts(self) -> NDArray[np.int64]:
        """Return the number of images on which each latent is active, int64 [d_sae]."""
        return np.diff(self._read("entries.indptr"))

    def entries(self, first: int = 0, stop: int | None = None) -> Entries:
        """Return the entries of latents ``first … stop-1``, all by default."""
        indptr = self._slice("entries.indptr", first, None if stop is None else stop + 1)
        a, b = int(indptr[0]), int(indptr[-1])
        names = ("rows", "mean", "max", "value", "peak")
        return Entries(indptr - a, *(self._slice(f"entries.{name}", a, b) for name in names))

    def heats(self, first: int = 0, stop: int | None = None) -> Heats:
        """Return the heat maps of latents ``first … stop-1``, all by default."""
        indptr = self._slice("heats.indptr", first, None if stop is None else stop + 1)
        a, b = int(indptr[0]), int(indptr[-1])
        offsets = self._slice("heats.offsets", a, b + 1)
        c, d = int(offsets[0]), int(offsets[-1])
        patch, activation = (self._slice(f"heats.{name}", c, d) for name in ("patch", "activation"))
        return Heats(indptr - a, self._slice("heats.rows", a, b), offsets - c, patch, activation)

    def _read(self, name: str) -> Array:
        return np.asarray(self._file.get_tensor(name))

    def _slice(self, name: str, start: int, stop: int | None) -> Array:
        tensor = self._file.get_slice(name)
        if start >= tensor.get_shape()[0]:  # there, safetensors refuses the empty slice
            return self._read(name)[:0]
        return np.asarray(tensor[start:stop])
