"""A backbone made of a timm vision transformer: the base class of the default backbones, and of yours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from cytosae_toolkit.devices import autocast, resolve_device, resolve_precision
from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.interfaces.backbone import Backbone

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
"""How images are resized; Pillow's filters are antialiased when they shrink."""

_HASH_CHUNK = 1 << 26


@dataclass(frozen=True)
class Preprocessing:
    """From an RGB image of any size to a backbone's input.

    Parameters
    ----------
    size : (int, int)
        Height and width of the input, pixels.
    mean, std : (float, float, float)
        Of the channels, on a scale of 0 to 1.
    interpolation : str
        ``"bilinear"`` or ``"bicubic"``, both antialiased.
    crop : bool
        False: the whole image is resized, whatever its shape. True: only its largest centred part of the
        input's shape.

    Raises
    ------
    CytosaeError
        If a value makes no sense.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bilinear"
    crop: bool = False

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            hint = nearest(self.interpolation, list(INTERPOLATIONS))
            raise CytosaeError(f"The interpolation {self.interpolation!r} is unknown.", hint)
        if min(self.size) < 1:
            raise CytosaeError(f"The input size {self.size} is not positive.")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and min(self.std) > 0):
            raise CytosaeError("The mean and std of the channels must be finite, and std positive.")

    def region(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Return the part of an image that becomes the input, ``x0, y0, x1, y1`` in its pixels."""
        if not self.crop:
            return 0.0, 0.0, float(width), float(height)
        scale = min(height / self.size[0], width / self.size[1])
        h, w = self.size[0] * scale, self.size[1] * scale
        x0, y0 = (width - w) / 2, (height - h) / 2
        return x0, y0, x0 + w, y0 + h

    def __call__(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the input, float32 [3, h, w], of an image, uint8 [H, W, 3]; safe in several threads."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise CytosaeError(
                f"A backbone needs an RGB image, uint8 [H, W, 3], not {image.dtype} {list(image.shape)}."
            )
        height, width = self.size
        resized = Image.fromarray(np.ascontiguousarray(image)).resize(
            (width, height), INTERPOLATIONS[self.interpolation], box=self.region(*image.shape[:2])
        )
        pixels = np.asarray(resized)
        out = np.empty((3, height, width), dtype=np.float32)
        for channel, values in enumerate(self._normalised):
            np.take(values, pixels[..., channel], out=out[channel])
        return torch.from_numpy(out)

    @cached_property
    def _normalised(self) -> NDArray[np.float32]:
        """What each of the 256 values of a channel becomes, float32 [3, 256]."""
        levels = np.arange(256, dtype=np.float32) / np.float32(255)
        mean, std = (np.asarray(values, dtype=np.float32)[:, None] for values in (self.mean, self.std))
        table: NDArray[np.float32] = (levels - mean) / std
        return table


class TimmBackbone(Backbone):
    """A frozen vision transformer of timm.

    Residual stream after any block, later blocks not computed; parameters frozen, evaluation mode.

    Parameters
    ----------
    model : torch.nn.Module
        A timm ``VisionTransformer`` or ``Eva`` with its weights; it is frozen and moved to the device.
    preprocessing : Preprocessing
        From image to input; its size must be the model's.
    architecture : str
        Part of the fingerprint, such as the model's timm name.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda:0"``, ...
    precision : str
        ``"auto"`` is bfloat16 matrix products on GPUs that have them, float32 elsewhere. The residual stream
        and the tokens are float32 whatever the precision.

    Raises
    ------
    CytosaeError
        If the model is no plain vision transformer, or the input size is not its own.
    """

    def __init__(
        self,
        model: nn.Module,
        preprocessing: Preprocessing,
        *,
        architecture: str,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        check_plain(model, architecture)
        self.device = resolve_device(device)
        self.precision = resolve_precision(precision, self.device)
        self.model = cast(Any, model.requires_grad_(False).eval().to(self.device))
        self.preprocessing = preprocessing
        self.architecture = architecture
        self.d_model = int(self.model.embed_dim)
        self.layers = len(self.model.blocks)
        self.prefix_tokens = int(self.model.num_prefix_tokens)
        self.grid = _pair(self.model.patch_embed.grid_size)
        self.patch_size = _pixels_per_patch(self.model)
        self._check_size()

    def _check_size(self) -> None:
        expected = _pair(self.model.patch_embed.img_size)
        if expected != self.preprocessing.size:
            raise CytosaeError(
                f"The model {self.architecture} takes images of {expected[0]} x {expected[1]} pixels, "
                f"but the preprocessing makes {self.preprocessing.size[0]} x {self.preprocessing.size[1]}."
            )
        covered = tuple(n * pixels for n, pixels in zip(self.grid, self.patch_size, strict=True))
        if covered != expected:
            raise CytosaeError(
                f"The input size {expected[0]} x {expected[1]} is no multiple of the patches of "
                f"{self.patch_size[0]} x {self.patch_size[1]} pixels: part of every image would not be seen."
            )

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """Resize the whole image (or its centre, if so chosen) and normalise it: float32 [3, h, w]."""
        return self.preprocessing(image)

    def patch_boxes(self, image_shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return each patch's box in original pixels, float64 [n_patches, 4]; see `Backbone.patch_boxes`."""
        x0, y0, x1, y1 = self.preprocessing.region(*image_shape[:2])
        height, width = self.preprocessing.size
        ys = y0 + np.arange(self.grid[0] + 1) * self.patch_size[0] * (y1 - y0) / height
        xs = x0 + np.arange(self.grid[1] + 1) * self.patch_size[1] * (x1 - x0) / width
        top, left = np.meshgrid(ys[:-1], xs[:-1], indexing="ij")
        bottom, right = np.meshgrid(ys[1:], xs[1:], indexing="ij")
        return np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)

    @torch.no_grad()
    def tokens(self, batch: Tensor, layer: int) -> Tensor:
        """Read the residual stream after a block, float32 [B, tokens, d_model]; see `Backbone.tokens`."""
        last = self.resolve_layer(layer)
        if batch.ndim != 4 or tuple(batch.shape[1:]) != (3, *self.preprocessing.size):
            expected = [3, *self.preprocessing.size]
            raise CytosaeError(f"A batch of this backbone is [B, {str(expected)[1:-1]}], not {list(batch.shape)}.")
        with autocast(self.device, self.precision):
            x, rope = self._embed(batch.to(self.device, torch.float32, non_blocking=True))
            for index in range(last + 1):
                x = self._block(x, index, rope)
        return x.float()

    @torch.no_grad()
    def continue_from(self, tokens: Tensor, layer: int) -> Tensor:
        """Run the blocks after `layer`, the final norm and the model's pooling; see `Backbone.continue_from`.

        Returns
        -------
        torch.Tensor
            float32 [B, d_embedding]: what the model's classifier would see; the CLS token for most.
        """
        x = tokens.to(self.device, torch.float32)
        with autocast(self.device, self.precision):
            rope = self._rope()
            for index in range(self.resolve_layer(layer) + 1, self.layers):
                x = self._block(x, index, rope)
            embedding: Tensor = self.model.forward_head(self.model.norm(x), pre_logits=True)
        return embedding.float()

    def _embed(self, batch: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what the first block reads, and the rotary embedding of models that have one."""
        model = self.model
        embedded = model._pos_embed(model.patch_embed(batch))
        if isinstance(model, Eva):
            x, rope = embedded
            return model.norm_pre(x), rope
        return model.norm_pre(model.patch_drop(embedded)), None

    def _rope(self) -> Tensor | None:
        if not isinstance(self.model, Eva):
            return None
        return self._embed(torch.zeros(1, 3, *self.preprocessing.size, device=self.device))[1]

    def _block(self, x: Tensor, index: int, rope: Tensor | None) -> Tensor:
        block = self.model.blocks[index]
        if rope is None:
            return cast(Tensor, block(x))
        mixed = getattr(self.model, "rope_mixed", False)
        return cast(Tensor, block(x, rope=rope[index] if mixed else rope))

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]  # computed on first use
        """Hash of architecture, preprocessing and weights (without the classifier), hexadecimal."""
        digest = hashlib.blake2b(digest_size=16)
        description = {"architecture": self.architecture, "preprocessing": asdict(self.preprocessing)}
        digest.update(json.dumps(description, sort_keys=True).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            if name.startswith("head."):
                continue
            digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            for chunk in _chunks(tensor):
                digest.update(chunk)
        return digest.hexdigest()


def check_plain(model: nn.Module, architecture: str) -> None:
    """Refuse models that are no plain vision transformer.

    Raises
    ------
    CytosaeError
        If tokens are not one residual stream over one grid of patches.
    """
    for family in (VisionTransformer, Eva):
        if isinstance(model, family) and type(model).forward_features is family.forward_features:
            return
    raise CytosaeError(
        f"The model {architecture} ({type(model).__name__}) is no plain vision transformer: "
        "its tokens are not one residual stream over one grid of patches.",
        "Choose a ViT, DeiT, DINOv2, DINOv3, CLIP, SigLIP or EVA model.",
    )


def _pair(value: Sequence[int]) -> tuple[int, int]:
    rows, columns = value
    return int(rows), int(columns)


def _pixels_per_patch(model: Any) -> tuple[int, int]:
    embed = model.patch_embed
    if hasattr(embed, "backbone"):  # a convolutional stem before the patches
        ratio = embed.feat_ratio()
        return _pair(ratio if isinstance(ratio, Sequence) else (ratio, ratio))
    return _pair(embed.patch_size)


def _chunks(tensor: Tensor) -> Iterator[memoryview]:
    """Yield a tensor's bytes in C order."""
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    for start in range(0, len(flat), _HASH_CHUNK):
        yield flat[start : start + _HASH_CHUNK].data
