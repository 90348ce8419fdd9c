"""The network of the demonstration backbone and how its input is normalised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

IMAGE_SIZE = 128
"""Width and height of the input in pixels."""

PATCH_SIZE = 8
"""Width and height of a patch in pixels: 16 x 16 patches."""

D_MODEL = 192
DEPTH = 6
HEADS = 3

MEAN: tuple[float, float, float] = (0.5, 0.5, 0.5)
"""Subtracted from red, green, blue in 0-1."""

STD: tuple[float, float, float] = (0.25, 0.25, 0.25)
"""What red, green, blue in 0-1 are divided by afterwards."""


def build() -> VisionTransformer:
    """Return the network with fresh weights: tokens are CLS + 16 x 16 patches, row-major, 192 long.

    Returns
    -------
    timm VisionTransformer
        Without classification head; `nano.safetensors` holds its state dict in float16.
    """
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        embed_dim=D_MODEL,
        depth=DEPTH,
        num_heads=HEADS,
        num_classes=0,
    )
