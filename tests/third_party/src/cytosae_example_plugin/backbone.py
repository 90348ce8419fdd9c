"""A tiny transformer with fixed random weights over the colours of patches: no download, no training."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cytosae_example_plugin import ColorGridOptions
from cytosae_toolkit.interfaces.backbone import Backbone

SIDE = 64
PATCH = 8


class ColorGrid(Backbone):
    """Patch embedding by a random convolution, then blocks of attention and MLP, one CLS token.

    Parameters
    ----------
    options : ColorGridOptions
        Seed, width and depth.
    device : str
        Where it runs.
    """

    def __init__(self, options: ColorGridOptions, device: str) -> None:
        self.device = device
        self.d_model = options.d_model
        self.layers = options.layers
        self.grid = (SIDE // PATCH, SIDE // PATCH)
        self.patch_size = (PATCH, PATCH)
        self.prefix_tokens = 1
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            self.model = Transformer(options.d_model, options.layers)
        self.model.requires_grad_(False).eval().to(device)
        self.fingerprint = self._hash()

    def _hash(self) -> str:
        digest = hashlib.sha256(f"resize {SIDE} bilinear, minus half, patches of {PATCH}".encode())
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(name.encode() + value.cpu().numpy().tobytes())
        return digest.hexdigest()

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Resize the whole image to 64 x 64, values from -0.5 to 0.5."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255 - 0.5
        return nn.functional.interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)[0]

    def patch_boxes(self, image_shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Divide the image evenly."""
        rows, columns = self.grid
        ys = np.linspace(0, image_shape[0], rows + 1)
        xs = np.linspace(0, image_shape[1], columns + 1)
        top, left = np.meshgrid(ys[:-1], xs[:-1], indexing="ij")
        bottom, right = np.meshgrid(ys[1:], xs[1:], indexing="ij")
        return np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)

    @torch.no_grad()
    def tokens(self, batch: Tensor, layer: int) -> Tensor:
        """Run the embedding and the blocks up to `layer`."""
        last = self.resolve_layer(layer)
        return self.model.run(self.model.embed(batch.to(self.device)), 0, last + 1)

    @torch.no_grad()
    def continue_from(self, tokens: Tensor, layer: int) -> Tensor:
        """Run the blocks after `layer` and return the CLS token."""
        first = self.resolve_layer(layer) + 1
        return self.model.run(tokens.to(self.device), first, self.layers)[:, 0]


class Transformer(nn.Module):
    """Embedding and blocks."""

    def __init__(self, d_model: int, layers: int) -> None:
        super().__init__()
        self.embedding = nn.Conv2d(3, d_model, PATCH, PATCH)
        self.cls = nn.Parameter(torch.randn(1, 1, d_model))
        self.attention = nn.ModuleList(nn.MultiheadAttention(d_model, 2, batch_first=True) for _ in range(layers))
        self.mlp = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(d_model), nn.Linear(d_model, 2 * d_model), nn.GELU(), nn.Linear(2 * d_model, d_model)
            )
            for _ in range(layers)
        )

    def embed(self, batch: Tensor) -> Tensor:
        """Return CLS and patch embeddings [B, 1 + patches, d_model]."""
        patches = self.embedding(batch).flatten(2).transpose(1, 2)
        return torch.cat([self.cls.expand(len(batch), -1, -1), 8 * patches], dim=1)

    def run(self, x: Tensor, first: int, last: int) -> Tensor:
        """Run blocks `first` to before `last`."""
        for attention, mlp in zip(self.attention[first:last], self.mlp[first:last], strict=True):
            x = x + attention(x, x, x, need_weights=False)[0]
            x = x + mlp(x)
        return x


def build(options: ColorGridOptions, *, device: str, offline: bool) -> ColorGrid:
    """Create the backbone; it needs no download, so `offline` changes nothing."""
    return ColorGrid(options, device)
