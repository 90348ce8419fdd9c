"""The bytes of one shard: a block of images in Zarr's sharding format (codec ``sharding_indexed``).

A shard holds 64 inner chunks, one image each, as raw little-endian numbers. Image `r` of the block lies at
byte ``r * image_bytes``; the shard ends with Zarr's index: 64 pairs (offset, length) of uint64 and a CRC-32C
of them. An image that has no tokens is an empty inner chunk. Zarr allows chunks to lie anywhere; this fixed
place is what lets a reader seek to an image without reading the index.
"""

from __future__ import annotations

from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

BLOCK = 64
"""Images per shard."""

_EMPTY = np.uint64(2**64 - 1)
INDEX_BYTES = BLOCK * 16 + 4


def shard_parts(tokens: NDArray[Any], present: NDArray[np.bool_]) -> tuple[memoryview, bytes]:
    """Return the bytes of a shard file in two parts, tokens and index; the tokens are not copied.

    Parameters
    ----------
    tokens : array [n, n_tokens, d_model]
        Tokens of the block's first `n` images, n ≤ 64, little-endian, zeros for images that are not present.
    present : bool array [n]
        Which of the images have tokens.
    """
    last = int(np.flatnonzero(present)[-1]) + 1 if present.any() else 0
    body = np.ascontiguousarray(tokens[:last]).reshape(-1).view(np.uint8)
    return body.data, _encode_index(tokens[0].nbytes, present)


def _encode_index(image_bytes: int, present: NDArray[np.bool_]) -> bytes:
    index = np.full((BLOCK, 2), _EMPTY, dtype="<u8")
    rows = np.flatnonzero(present)
    index[rows, 0] = rows * image_bytes
    index[rows, 1] = image_bytes
    raw = index.tobytes()
    return raw + int(google_crc32c.value(raw)).to_bytes(4, "little")


def shard_problem(raw: bytes, image_bytes: int, present: NDArray[np.bool_]) -> str | None:
    """Say what is wrong with a shard's size or index, or return None.

    Parameters
    ----------
    raw : bytes
        The shard file.
    image_bytes : int
        Bytes of an image's tokens.
    present : bool array [n]
        Which images of the block should have tokens.
    """
    expected = _encode_index(image_bytes, present)
    last = int(np.flatnonzero(present)[-1]) + 1 if present.any() else 0
    size = last * image_bytes + INDEX_BYTES
    if len(raw) != size:
        return f"has {len(raw)} bytes instead of {size}"
    if raw[-INDEX_BYTES:] != expected:
        return "has a damaged index"
    return None
