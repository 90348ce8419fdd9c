"""Small parts for the tests of this folder: images in memory, a backbone of one matrix."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np
import torch

from cytosae_toolkit.images import UnreadableImage
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.tokens import TokenComputer, TokenIdentity, TokenStore, extract


class Images:
    """Images made of their numbers; `broken` ones cannot be decoded."""

    def __init__(self, numbers, broken=()):
        self.numbers, self.broken = list(numbers), set(broken)
        self.n_read = 0

    def __len__(self):
        return len(self.numbers)

    def path(self, i):
        return Path(f"image-{self.numbers[i]}.png")

    def content_keys(self):
        return [hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest() for number in self.numbers]

    def read(self, i):
        self.n_read += 1
        number = self.numbers[i]
        if number in self.broken:
            raise UnreadableImage(f"image-{number}.png", "it is broken")
        return np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)


class Matrix(Backbone):
    """Cuts a 12 x 12 image into 3 x 3 patches of 4 x 4 pixels and multiplies each with a matrix; one prefix token."""

    d_model, grid, patch_size, prefix_tokens, layers = 8, (3, 3), (4, 4), 1, 4
    fingerprint = "0123456789abcdef" * 2

    def __init__(self, scale=1.0, seconds=0.0):
        self.scale, self.seconds = scale, seconds
        self.batches = []
        self.weights = torch.randn(48, 8, generator=torch.Generator().manual_seed(0))

    def preprocess(self, image):
        return torch.from_numpy(image).permute(2, 0, 1).float() / 255

    def patch_boxes(self, image_shape):
        raise NotImplementedError

    def tokens(self, batch, layer):
        time.sleep(self.seconds)
        self.batches.append(len(batch))
        patches = batch.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(len(batch), 9, 48)
        patches = patches @ self.weights
        return torch.cat([patches.mean(1, keepdim=True), patches], 1) * self.scale + layer


def computer(backbone=None, *, dtype="float16", **more):
    backbone = backbone or Matrix()
    return TokenComputer(backbone, TokenIdentity.of(backbone, -2, dtype=dtype), workers=2, **more)


def filled(path, images, **more):
    """Return a new store with the tokens of the images."""
    made = computer(**more)
    store = TokenStore.open_or_create(path, made.identity)
    extract(images, made, store)
    return store


def contents(path):
    """Return the digest of every file of a store that carries meaning, by its name."""
    files = sorted(p for p in Path(path).rglob("*") if p.is_file() and not p.name.startswith("."))
    return {str(p.relative_to(path)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
