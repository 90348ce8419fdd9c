"""What this package needs of an image table, and nothing more."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ImageSource(Protocol):
    """A list of images; `cytosae_toolkit.images.ImageTable` is one."""

    def __len__(self) -> int:
        """Return the number of images."""

    def path(self, i: int) -> Path:
        """Return the file of an image, for messages."""

    def content_keys(self) -> Sequence[str]:
        """Return a hash of every image's file bytes and box: equal keys, equal pixels."""

    def read(self, i: int) -> NDArray[np.uint8]:
        """Decode an image to RGB, uint8 [H, W, 3]; a `CytosaeError` says why it cannot be."""


def keys_hash(keys: Sequence[str]) -> str:
    """Return the hash of an ordered list of content keys, 32 hexadecimal digits."""
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=16).hexdigest()
