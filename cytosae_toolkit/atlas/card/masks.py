"""Structures of mask images: by grey value, by bit, or every grey value that occurs.

A mask is an 8-bit grey image of its image's size, 0 where there is nothing. By default each other value is one
structure, named after itself (``value 255``). Options name structures and join values (``cell=128,255``), or read
every bit as a structure of its own, so that structures may overlap (``nucleus,cytoplasm,granules`` for bits 0, 1, 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable

MAX_VALUES = 8
"""Most grey values that are structures without being named."""
BITS = 8


@dataclass(frozen=True)
class Structures:
    """What the grey values of masks mean.

    Parameters
    ----------
    values : tuple of (str, tuple of int)
        Names and the grey values, 0 to 255, that belong to each.
    """

    values: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def names(self) -> list[str]:
        """Names, in order."""
        return [name for name, _ in self.values]

    def split(self, mask: NDArray[np.uint8]) -> list[NDArray[np.bool_]]:
        """Return one bool [H, W] per structure of a grey mask, uint8 [H, W]."""
        tables = np.zeros((len(self.values), 256), dtype=bool)
        for table, (_, members) in zip(tables, self.values, strict=True):
            table[list(members)] = True
        return [table[mask] for table in tables]


def parse_structures(named: Mapping[str, str], bits: str | None = None) -> Structures | None:
    """Read the options that name structures.

    Parameters
    ----------
    named : mapping of str to str
        From name to grey values with commas, such as ``{"cell": "128,255"}``.
    bits : str, optional
        Names with commas, of bit 0 and up.

    Returns
    -------
    Structures or None
        None if neither is given.

    Raises
    ------
    CytosaeError
        If values are no grey values, there are too many bits, or both are given.
    """
    if named and bits:
        raise CytosaeError("Masks are named both by value and by bit.", "Give --mask or --mask-bits, not both.")
    if bits:
        return _by_bits([name.strip() for name in bits.split(",")])
    if named:
        return Structures(tuple((name, _grey_values(name, text)) for name, text in named.items()))
    return None


def _by_bits(names: Sequence[str]) -> Structures:
    if len(names) > BITS or len(set(names)) < len(names) or not all(names):
        raise CytosaeError(
            f"--mask-bits {','.join(names)} does not name up to {BITS} different bits.", "Name bit 0 first."
        )
    members = [tuple(value for value in range(256) if value >> bit & 1) for bit in range(len(names))]
    return Structures(tuple(zip(names, members, strict=True)))


def _grey_values(name: str, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) < 256 for part in parts):
        raise CytosaeError(f"--mask {name}={text} has no grey values.", "Write numbers from 1 to 255, such as 128,255.")
    return tuple(sorted({int(part) for part in parts}))


def read_mask(images: ImageTable, row: int) -> NDArray[np.uint8] | None:
    """Return the mask of an image, uint8 [H, W], cropped as the image is; None where it has none.

    Raises
    ------
    CytosaeError
        If it cannot be read or is no grey image.
    """
    from cytosae_toolkit.images import decode

    path = images.mask_path(row)
    if path is None:
        return None
    picture = decode(path, images.box(row))
    if (picture != picture[..., :1]).any():
        raise CytosaeError(f"The mask {path} is coloured.", "Write masks as 8-bit grey images.")
    return np.ascontiguousarray(picture[..., 0])


def rows_with_masks(images: ImageTable) -> NDArray[np.int64]:
    """Return the rows of the images that have a mask, ascending."""
    return np.array([row for row in range(len(images)) if images.mask_path(row) is not None], dtype=np.int64)


def structures_of(images: ImageTable, rows: NDArray[np.int64]) -> Structures:
    """Return the structures that the grey values of some masks make, each value one.

    Raises
    ------
    CytosaeError
        If there are none, or more than eight.
    """
    found: set[int] = set()
    for row in rows.tolist():
        mask = read_mask(images, row)
        found |= set(np.unique(mask).tolist()) - {0} if mask is not None else set()
    if not 0 < len(found) <= MAX_VALUES:
        raise CytosaeError(
            f"The masks of {images.source} have {len(found)} grey values beside 0.",
            "Name those that are structures with --mask NAME=VALUES, or bits with --mask-bits NAME,NAME,….",
        )
    return Structures(tuple((f"value {value}", (value,)) for value in sorted(found)))


def bits_in(structures: Structures) -> int:
    """Return how many bits the grey values of structures seem to hold, one per structure; 0 if they are no bits.

    They are where at least two values are one bit, others join up to three bits, and they do not count 1, 2, 3 as
    classes do.

    Parameters
    ----------
    structures : Structures
        As `structures_of` finds them, each value one.
    """
    values = sorted(value for _, members in structures.values for value in members)
    n_bits = [value.bit_count() for value in values]
    joined = n_bits.count(1) >= 2 and max(n_bits) in (2, 3)
    return values[-1].bit_length() if joined and values != list(range(1, len(values) + 1)) else 0


def masks_of(images: ImageTable, row: int, structures: Structures) -> list[NDArray[np.bool_]]:
    """Return the structures of one image, each bool [H, W] of the image's size.

    Raises
    ------
    CytosaeError
        If the image has no mask, or one of another size.
    """
    mask = read_mask(images, row)
    if mask is None:
        raise CytosaeError(f"Image {images.ids[row]} has no mask.")
    width, height = _size(images, row)
    if mask.shape != (height, width):
        raise CytosaeError(
            f"The mask {images.mask_path(row)} has {mask.shape[1]} x {mask.shape[0]} pixels, its image "
            f"{width} x {height}.",
            "Give masks of the images' size.",
        )
    return structures.split(mask)


def _size(images: ImageTable, row: int) -> tuple[int, int]:
    from cytosae_toolkit.images import image_size

    box = images.box(row)
    return image_size(images.path(row)) if box is None else (box[2] - box[0], box[3] - box[1])
