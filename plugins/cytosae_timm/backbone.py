"""Builds the backbone `timm`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from torch import Tensor, nn

from cytosae_timm import TimmOptions
from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.interfaces.vit import Preprocessing, TimmBackbone, check_plain
from cytosae_toolkit.safe_load import fill_model, load_weights

_UNUSED = ("head.", "head_dist.", "mask_token")
_HINT = "Give a local file with -B checkpoint=PATH, or ask for random weights with -B untrained=true."


def build(options: TimmOptions, *, device: str = "auto", offline: bool = False) -> TimmBackbone:
    """Create the backbone `timm`.

    Parameters
    ----------
    options : TimmOptions
        The model, where its weights come from, and its preprocessing.
    device : str
        Torch device name.
    offline : bool
        Forbids downloads.

    Raises
    ------
    CytosaeError
        If the model is unknown or no plain vision transformer, or its weights are absent or do not fit.
    """
    _check_name(options.model)
    model = _create(options)
    check_plain(model, options.model)
    if options.checkpoint is not None:
        weights = load_weights(options.checkpoint)
        fill_model(model, _without_wrapping(weights), str(options.checkpoint), ignore=_UNUSED)
    elif not options.untrained:
        model = _pretrained(options, model, offline)
    return TimmBackbone(model, _preprocessing(options, model), architecture=f"timm:{options.model}", device=device)


def _check_name(name: str) -> None:
    if timm.is_model(name.split(".")[0]):
        return
    raise CytosaeError(f"timm has no model {name!r}.", nearest(name, timm.list_models()))


def _create(options: TimmOptions, **arguments: Any) -> nn.Module:
    """Return the network without classifier, its random weights drawn with the seed."""
    if options.size is not None:
        arguments["img_size"] = options.size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        try:
            return timm.create_model(options.model, num_classes=0, **arguments)
        except (RuntimeError, TypeError, AssertionError, ValueError) as error:
            raise CytosaeError(f"timm cannot create {options.model!r}: {error}.") from error


def _pretrained(options: TimmOptions, model: nn.Module, offline: bool) -> nn.Module:
    """Return the network with the weights that timm knows of, downloaded into the cache of the model hub."""
    if offline:
        cached = _cached(model)
        if cached is None:
            raise CytosaeError(f"The weights of {options.model} may not be downloaded offline.", _HINT)
        fill_model(model, load_weights(cached), str(cached), ignore=_UNUSED)
        return model
    try:
        return _create(options, pretrained=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise CytosaeError(f"The weights of {options.model} could not be downloaded: {reason}.", _HINT) from error


def _cached(model: Any) -> Path | None:
    """Return the file that an earlier download left in the cache of the model hub."""
    repository = model.pretrained_cfg.get("hf_hub_id")
    found = try_to_load_from_cache(repository, "model.safetensors") if repository else None
    return Path(found) if isinstance(found, str) else None


def _without_wrapping(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the prefix that parallel training puts before every name."""
    if all(name.startswith("module.") for name in weights):
        return {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    return dict(weights)


def _preprocessing(options: TimmOptions, model: Any) -> Preprocessing:
    """Return the model's own preprocessing but for its crop, changed as the options say."""
    own = model.pretrained_cfg
    interpolation = options.interpolation or ("bilinear" if own.get("interpolation") == "bilinear" else "bicubic")
    return Preprocessing(
        size=tuple(model.patch_embed.img_size),
        mean=options.mean or tuple(own["mean"]),
        std=options.std or tuple(own["std"]),
        interpolation=interpolation,
        crop=options.crop,
    )
