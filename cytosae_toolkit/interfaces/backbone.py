"""The contract of a backbone: the frozen transformer that turns an image into tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    import torch


class Backbone(ABC):
    """A frozen vision transformer whose residual stream can be read after any block.

    Attributes
    ----------
    d_model : int
        Length of a token.
    grid : tuple of int
        Patches per axis, rows first: ``(16, 16)``; volumes would have three entries.
    patch_size : tuple of int
        Pixels of the *preprocessed* image per patch and axis, rows first.
    prefix_tokens : int
        Tokens before the patch tokens that belong to no patch (CLS, registers).
    layers : int
        Number of transformer blocks.
    fingerprint : str
        Hexadecimal hash of the weights and of the preprocessing: equal fingerprints give equal tokens.
    precision : str
        ``"float32"``, ``"tf32"`` or ``"bfloat16"``, of matrix products. Whoever extracts tokens sets it, and runs
        `tokens` within the autocast that it names; a backbone with an autocast of its own must follow it.
    """

    d_model: int
    grid: tuple[int, ...]
    patch_size: tuple[int, ...]
    prefix_tokens: int
    layers: int
    fingerprint: str
    precision: str = "float32"

    @property
    def n_patches(self) -> int:
        """Number of patch tokens of an image."""
        return prod(self.grid)

    @property
    def n_tokens(self) -> int:
        """Number of tokens of an image, prefix included."""
        return self.prefix_tokens + self.n_patches

    def resolve_layer(self, layer: int) -> int:
        """Return the 0-based index of a transformer block; negative numbers count from the end.

        Raises
        ------
        CytosaeError
            If there is no such block.
        """
        if not -self.layers <= layer < self.layers:
            raise CytosaeError(
                f"Layer {layer} does not exist: this backbone has {self.layers} blocks.",
                f"Choose 0 to {self.layers - 1}, or -1 to {-self.layers} counted from the end.",
            )
        return layer % self.layers

    @abstractmethod
    def preprocess(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """Turn an RGB image into the backbone's input.

        Parameters
        ----------
        image : uint8 array [H, W, 3]
            RGB, any size.

        Returns
        -------
        torch.Tensor
            float32 [3, h, w] on the CPU. Must be safe to call from several threads.
        """

    @abstractmethod
    def patch_boxes(self, image_shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Say which part of the original image each patch token belongs to.

        Parameters
        ----------
        image_shape : tuple of int
            Shape of the original image, ``(H, W)`` or ``(H, W, 3)``.

        Returns
        -------
        float64 array [n_patches, 4]
            ``x0, y0, x1, y1`` in original pixels, half-open, row-major as the tokens are.
        """

    @abstractmethod
    def tokens(self, batch: torch.Tensor, layer: int) -> torch.Tensor:
        """Read the residual stream after a block; later blocks are not computed.

        Parameters
        ----------
        batch : torch.Tensor
            float32 [B, 3, h, w], preprocessed images, on any device.
        layer : int
            Block whose output is read; negative counts from the end.

        Returns
        -------
        torch.Tensor
            float32 [B, prefix_tokens + n_patches, d_model] on the backbone's device, without gradient.
        """

    def continue_from(self, tokens: torch.Tensor, layer: int) -> torch.Tensor:
        """Compute the final embedding from (possibly changed) tokens of a layer; optional.

        Parameters
        ----------
        tokens : torch.Tensor
            float32 [B, prefix_tokens + n_patches, d_model].
        layer : int
            The block whose output they are.

        Returns
        -------
        torch.Tensor
            float32 [B, d_embedding].

        Raises
        ------
        CytosaeError
            If this backbone cannot continue from a layer.
        """
        raise CytosaeError(f"The backbone {type(self).__name__} cannot continue from a layer.")
