"""What a run folder remembers: the contents of `config.json`, the split, the weights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_path, write_json
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.training.config import Origin
from cytosae_toolkit.training.parts import tuned_options
from cytosae_toolkit.training.preparing import Prepared
from cytosae_toolkit.training.provenance import images_digest, software_versions
from cytosae_toolkit.training.run import FORMAT, VERSION, Run

if TYPE_CHECKING:
    from cytosae_toolkit.tokens import LiveView, TokenView

FOLLOW_DATA = ("expansion", "d_sae", "steps", "batch_tokens", "warmup_steps")
"""Fields that `cytosae_toolkit.training.sizes` fills in where they are None."""


def split_column(prepared: Prepared) -> NDArray[np.str_]:
    """Return `train` or `held-out` for each image, str [n_images]."""
    column = np.full(len(prepared.images), "train", dtype="<U8")
    column[prepared.split.held_out] = "held-out"
    return column


def make_record(prepared: Prepared, view: TokenView | LiveView) -> dict[str, Any]:
    """Return the contents of `config.json`."""
    sizes, backbone, spec = prepared.sizes, prepared.backbone, prepared.backbone_choice.part.spec
    resolved = prepared.config.model_dump(mode="json") | {
        "d_sae": sizes.d_sae,
        "expansion": sizes.d_sae / sizes.d_model,
        "steps": sizes.steps,
        "warmup_steps": sizes.warmup_steps,
        "lr": prepared.lr,
        "device": prepared.device,
        "precision": prepared.precision,
        "layer": prepared.config.layer,
    }
    if prepared.config.batch_images is None:
        resolved["batch_tokens"] = sizes.batch_tokens
    return {
        "format": FORMAT,
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "d_model": sizes.d_model,
        "d_sae": sizes.d_sae,
        "config": resolved,
        "origins": resolved_origins(prepared),
        "plugins": {"backbone": prepared.backbone_choice.record, "sae": prepared.sae_choice.record},
        "backbone": {
            "fingerprint": backbone.fingerprint,
            "layer": prepared.layer,
            "layers": backbone.layers,
            "grid": list(backbone.grid),
            "prefix_tokens": backbone.prefix_tokens,
            "demonstration": prepared.demonstration,
            "weights_license": getattr(spec, "weights_license", ""),
            "citation": getattr(spec, "citation", ""),
        },
        "images": {
            "n": len(prepared.images),
            "n_train": len(prepared.split.train),
            "n_held_out": len(prepared.split.held_out),
            "split_unit": prepared.split.unit,
            "digest": images_digest(prepared.images, prepared.split),
            "skipped": prepared.skipped,
        },
        "token_store": _store_path(view),
        "software": software_versions(),
    }


def resolved_origins(prepared: Prepared) -> dict[str, Origin]:
    """Return where each recorded value came from: what the user left open was filled in by something else."""
    config, found = prepared.config, dict(prepared.origins)
    open_names = {name for name in FOLLOW_DATA if getattr(config, name) is None}
    found |= dict.fromkeys(open_names, "data")
    if (config.expansion, config.d_sae) != (None, None):
        given = "d_sae" if config.expansion is None else "expansion"
        found |= dict.fromkeys(("expansion", "d_sae"), found[given])
    if config.batch_images is not None:
        found["batch_tokens"] = found["batch_images"]
    if config.lr is None:
        found["lr"] = "sae"
    if not config.sae_options and tuned_options(prepared.backbone_choice.part, prepared.sae_choice.part):
        found["sae_options"] = "backbone"
    return found


def _store_path(view: TokenView | LiveView) -> str | None:
    store = getattr(view, "store", None)
    return None if store is None else str(Path(store.path).resolve())


def continued(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    """Refuse to go on with other images, tokens or weights; keep the original date."""
    for what, old, new in (
        ("set of images", run.record["images"]["digest"], record["images"]["digest"]),
        ("backbone", run.record["backbone"]["fingerprint"], record["backbone"]["fingerprint"]),
        ("layer", run.layer, record["backbone"]["layer"]),
        ("SAE options", run.record["plugins"]["sae"]["options"], record["plugins"]["sae"]["options"]),
        ("number of latents", run.record["d_sae"], record["d_sae"]),
    ):
        if old != new:
            raise CytosaeError(
                f"The run {run.path} was started with a different {what} ({old!r}, now {new!r}).",
                "Resume with the same input, or start afresh with --force.",
            )
    steps = record["config"]["steps"] != run.record["config"]["steps"]
    origins = run.record["origins"] | ({"steps": "option"} if steps else {})
    return record | {"created": run.record["created"], "origins": origins}


def publish(out: Path, sae: SparseAutoencoder, evaluation: Mapping[str, Any]) -> None:
    """Write the weights, then the evaluation; the run counts as complete from then on."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in sae.state_dict().items()}
    with atomic_path(out / "sae.safetensors") as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})  # of several keys the order would be random
    write_json(out / "evaluation.json", dict(evaluation))
