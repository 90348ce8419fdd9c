"""Images as the backbone saw them, small enough to travel with an atlas: lossless WebP."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from cytosae_toolkit.interfaces.backbone import Backbone


def as_seen(image: NDArray[np.uint8], backbone: Backbone) -> NDArray[np.uint8]:
    """Return the part of an image that the backbone's patches cover, at the backbone's resolution.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        RGB, any size.
    backbone : Backbone
        Its patches lie on the result as a regular grid, row by row.

    Returns
    -------
    uint8 array [h, w, 3]
        ``grid · patch_size`` pixels.
    """
    boxes = backbone.patch_boxes(image.shape)
    height, width = (n * size for n, size in zip(backbone.grid, backbone.patch_size, strict=True))
    region = (boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max())
    limits = (max(region[0], 0), max(region[1], 0), min(region[2], image.shape[1]), min(region[3], image.shape[0]))
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), _filter_of(backbone), box=limits))


def _filter_of(backbone: Backbone) -> Image.Resampling:
    """Return the filter with which a backbone resizes, where it says so."""
    name = getattr(getattr(backbone, "preprocessing", None), "interpolation", "bilinear")
    return Image.Resampling.BICUBIC if name == "bicubic" else Image.Resampling.BILINEAR


def encode_picture(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 [h, w, 3], as lossless WebP."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", lossless=True, method=0, quality=25)
    return buffer.getvalue()


def decode_picture(data: bytes | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture that `encode_picture` packed, uint8 [h, w, 3]."""
    with Image.open(BytesIO(bytes(data)), formats=["WEBP"]) as picture:
        return np.array(picture.convert("RGB"))


def picture_boxes(grid: tuple[int, ...], patch_size: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the box of each patch in a picture, float64 [n_patches, 4], ``x0, y0, x1, y1`` in its pixels."""
    rows, columns = np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij")
    y, x = rows.reshape(-1) * patch_size[0], columns.reshape(-1) * patch_size[1]
    return np.stack([x, y, x + patch_size[1], y + patch_size[0]], axis=1).astype(np.float64)
