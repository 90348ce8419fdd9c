"""Checkpoints of the published CytoSAE code as runs: read as data, never executed, written back as safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import Tensor

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder, write_json
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.plugins import Part, build_backbone, build_sae, registry
from cytosae_toolkit.safe_load import load_with_inert_classes
from cytosae_toolkit.training.provenance import software_versions
from cytosae_toolkit.training.recording import publish
from cytosae_toolkit.training.run import FORMAT, VERSION, Run, load_run
from cytosae_toolkit.training.session import check_output, remove_run

BACKBONES = {
    "dinov2_vits14": "dinobloom-s",
    "dinov2_vitb14": "dinobloom-b",
    "dinov2_vitl14": "dinobloom-l",
    "dinov2_vitg14": "dinobloom-g",
}
"""Names that the published configuration gives to the architectures of DinoBloom."""

PARAMETERS = ("W_enc", "b_enc", "W_dec", "b_dec")


def import_checkpoint(
    file: str | Path,
    out: str | Path,
    *,
    backbone: str | None = None,
    backbone_options: Mapping[str, Any] | None = None,
    layer: int | None = None,
    force: bool = False,
) -> Run:
    """Turn a checkpoint of the published code into a run.

    Parameters
    ----------
    file : str or Path
        ``{"cfg": config, "state_dict": {W_enc, b_enc, W_dec, b_dec}}`` as `torch.save` wrote it. Nothing in it is
        executed.
    out : str or Path
        Run folder to write.
    backbone : str, optional
        Backbone that the SAE belongs to; default by the checkpoint's configuration.
    backbone_options : mapping, optional
        Its options.
    layer : int, optional
        Block that was read; default by the checkpoint's configuration.
    force : bool
        Replace an existing run.

    Returns
    -------
    Run
        With the published configuration under ``record["published_config"]``. The backbone's fingerprint is recorded
        if its weights are at hand.

    Raises
    ------
    CytosaeError
        If the file is damaged, hostile or of another shape, or disagrees with the backbone or the layer.
    """
    out = Path(out)
    check_output(out, resume=False, force=force)
    state, config = load_with_inert_classes(Path(file))
    weights = _weights(state, Path(file))
    d_model, d_sae = weights["W_enc"].shape
    part = registry().get("backbone", backbone or _backbone_of(config))
    options = part.parse_options(backbone_options or {})
    _check_width(part, d_model, Path(file))
    layer = _layer_of(config) if layer is None else layer
    made = _create(part, options, d_model, Path(file), must=bool(backbone_options))
    sae_part = registry().get("sae", "relu-l1")
    sae_options = sae_part.parse_options(_sae_options(config))
    record = {
        "format": FORMAT,
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "d_model": d_model,
        "d_sae": d_sae,
        "config": {"backbone": part.name, "layer": layer, "sae": "relu-l1", "token_dtype": "float16"},
        "origins": {},
        "plugins": {"backbone": part.record(options), "sae": sae_part.record(sae_options)},
        "backbone": _describe(part, made, layer),
        "images": None,
        "token_store": None,
        "software": software_versions(),
        "published_config": config,
        "imported_from": Path(file).name,
    }
    sae = build_sae(sae_part, d_model, d_sae, sae_options)
    sae.load_state_dict(weights)
    with atomic_folder(out) as folder:
        if out.exists():
            remove_run(out)
        publish(folder, sae, {"imported": True})
        write_json(folder / "config.json", record)
    return load_run(out)


def _weights(state: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    missing = [name for name in PARAMETERS if name not in state]
    if missing:
        raise CytosaeError(f"{file} has no {', '.join(missing)}: it is no SAE of the published code.")
    weights = {name: state[name].detach().to(torch.float32).clone() for name in PARAMETERS}
    shape = tuple(weights["W_enc"].shape)
    if len(shape) != 2:
        raise CytosaeError(f"W_enc in {file} has the shape {shape}, not [d_model, d_sae].")
    d_model, d_sae = shape
    expected = {"W_enc": (d_model, d_sae), "b_enc": (d_sae,), "W_dec": (d_sae, d_model), "b_dec": (d_model,)}
    for name, tensor in weights.items():
        if tuple(tensor.shape) != expected[name]:
            raise CytosaeError(f"{name} in {file} has the shape {tuple(tensor.shape)}, not {expected[name]}.")
        if not bool(torch.isfinite(tensor).all()):
            raise CytosaeError(f"{name} in {file} has values that are NaN or infinite.")
    return weights


def _backbone_of(config: Mapping[str, Any]) -> str:
    name = str(config.get("model_name", ""))
    if name not in BACKBONES:
        raise CytosaeError(
            f"The checkpoint names the backbone {name!r}, which is not known here.", "Say which with --backbone."
        )
    return BACKBONES[name]


def _layer_of(config: Mapping[str, Any]) -> int:
    layer = config.get("block_layer")
    if not isinstance(layer, int) or isinstance(layer, bool):
        raise CytosaeError("The checkpoint does not say which layer it reads.", "Say it with --layer.")
    return layer


def _check_width(part: Part, d_model: int, file: Path) -> None:
    width = getattr(part.spec, "d_model", None)
    if width is not None and width != d_model:
        raise _refuse(part, width, d_model, file)


def _refuse(part: Part, width: int, d_model: int, file: Path) -> CytosaeError:
    return CytosaeError(
        f"{file} was trained on tokens of length {d_model}, the tokens of {part.name} have length {width}.",
        "Choose the backbone that it was trained on with --backbone.",
    )


def _create(part: Part, options: BaseModel, d_model: int, file: Path, *, must: bool) -> Backbone | None:
    """Create the backbone, to check and record it; where neither its options nor its size need it, it may be absent."""
    try:
        backbone = build_backbone(part, options, device="cpu", offline=True)
    except CytosaeError:
        if must or getattr(part.spec, "d_model", None) is None:
            raise
        return None
    if backbone.d_model != d_model:
        raise _refuse(part, backbone.d_model, d_model, file)
    return backbone


def _describe(part: Part, backbone: Backbone | None, layer: int) -> dict[str, Any]:
    layers = backbone.layers if backbone else getattr(part.spec, "layers", None)
    if layers is None or not -layers <= layer < layers:
        raise CytosaeError(f"Layer {layer} does not exist: {part.name} has {layers} blocks.")
    return {
        "fingerprint": backbone.fingerprint if backbone else None,
        "layer": layer % layers,
        "layers": layers,
        "grid": list(backbone.grid) if backbone else None,
        "prefix_tokens": backbone.prefix_tokens if backbone else None,
        "demonstration": bool(getattr(part.spec, "demonstration", False)),
        "weights_license": getattr(part.spec, "weights_license", ""),
        "citation": getattr(part.spec, "citation", ""),
    }


def _sae_options(config: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"encoder_init": "independent"}
    for ours, theirs in (
        ("l1_coefficient", "l1_coefficient"),
        ("ghost_grads", "use_ghost_grads"),
        ("dead_feature_window", "dead_feature_window"),
    ):
        if config.get(theirs) is not None:
            found[ours] = config[theirs]
    return found
