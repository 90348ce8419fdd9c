"""Builds the DinoBloom backbones: timm's DINOv2 architectures with DinoBloom's weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import timm
import torch
from torch import Tensor, nn

from cytosae_dinobloom import DinoBloomOptions, weights_file
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.vit import Preprocessing, TimmBackbone
from cytosae_toolkit.safe_load import fill_model, load_weights
from cytosae_toolkit.weights import fetch_weights

ARCHITECTURES = {
    "s": "vit_small_patch14_dinov2",
    "b": "vit_base_patch14_dinov2",
    "l": "vit_large_patch14_dinov2",
    "g": "vit_giant_patch14_dinov2",
}
"""timm's name of each size."""

INPUT_SIZE = 224
"""Height and width of the input, pixels."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_RENAMED = {".mlp.w12.": ".mlp.fc1.", ".mlp.w3.": ".mlp.fc2."}


def build(size: str, options: DinoBloomOptions, *, device: str = "auto", offline: bool = False) -> TimmBackbone:
    """Create a DinoBloom backbone.

    Parameters
    ----------
    size : str
        ``"s"``, ``"b"``, ``"l"`` or ``"g"``.
    options : DinoBloomOptions
        Local weights, crop.
    device : str
        Torch device name.
    offline : bool
        Forbids the download.

    Raises
    ------
    CytosaeError
        If the weights are absent, damaged, or of another network.
    """
    path = options.checkpoint or fetch_weights(weights_file(size), offline=offline)
    weights = timm_names(load_weights(path))
    _check_positions(weights, str(path))
    model = empty_model(size)
    model.to_empty(device="cpu")
    fill_model(model, weights, str(path))
    preprocessing = Preprocessing(
        size=(INPUT_SIZE, INPUT_SIZE), mean=IMAGENET_MEAN, std=IMAGENET_STD, crop=options.crop
    )
    return TimmBackbone(model, preprocessing, architecture=f"dinobloom-{size}", device=device)


build_s = partial(build, "s")
build_b = partial(build, "b")
build_l = partial(build, "l")
build_g = partial(build, "g")


def empty_model(size: str) -> nn.Module:
    """Return the network of a size without memory for its parameters (on torch's meta device)."""
    with torch.device("meta"):
        return timm.create_model(ARCHITECTURES[size], num_classes=0, img_size=INPUT_SIZE)


def timm_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a DinoBloom or DINOv2 file as timm calls them.

    Parameters
    ----------
    weights : mapping of str to torch.Tensor
        A DinoBloom teacher (``backbone.…``, beside heads that are dropped) or a plain DINOv2 state dict.

    Returns
    -------
    dict of str to torch.Tensor
        The backbone's tensors; `mask_token`, which only training uses, is dropped.
    """
    if any(name.startswith("backbone.") for name in weights):
        weights = {
            name.removeprefix("backbone."): tensor for name, tensor in weights.items() if name.startswith("backbone.")
        }
    return {_timm_name(name): tensor for name, tensor in weights.items() if name != "mask_token"}


def _timm_name(name: str) -> str:
    for theirs, ours in _RENAMED.items():
        name = name.replace(theirs, ours)
    return name


def _check_positions(weights: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights for another number of patches, such as the original DINOv2's."""
    positions = weights.get("pos_embed")
    if positions is None or positions.ndim != 3 or positions.shape[1] == 257:
        return
    raise CytosaeError(
        f"{source} has positions for {positions.shape[1] - 1} patches, but DinoBloom has 256 (16 x 16): "
        "it holds no DinoBloom weights.",
        "Original DINOv2 weights go with --backbone timm -B model=vit_base_patch14_dinov2.",
    )
