"""What a card needs of a run: its tokens, and the same SAE and backbone before any training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import Progress

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.tokens import LiveView, TokenView
    from cytosae_toolkit.training.run import Run

INIT_TOKENS = 16_384
"""Tokens that initialise the untrained SAE where the run does not say."""


def open_tokens(
    run: Run, images: ImageTable, backbone: Backbone, options: dict[str, Any], progress: Progress
) -> TokenView | LiveView:
    """Return the tokens of images as the run's SAE reads them, from its own store unless another is named."""
    from cytosae_toolkit.tokens import is_token_store, token_source

    recorded = run.record.get("token_store")
    own = Path(recorded) if recorded and is_token_store(Path(recorded)) else None
    chosen = {"dtype": run.config.get("token_dtype", "float16")} | options
    chosen["store"] = chosen.get("store") or own
    return token_source(images, backbone, run.layer, demonstration=run.demonstration, progress=progress, **chosen)


def untrained_sae(run: Run, view: TokenView | LiveView, *, seed: int, device: str) -> SparseAutoencoder:
    """Return the run's SAE as it is before the first step: initialised, with its seed, on a sample of these tokens.

    Parameters
    ----------
    run : Run
        Says which variant, options and sizes.
    view : TokenView or LiveView
        Tokens.
    seed : int
        Of the sample and the weights.
    device : str
        Where it goes.
    """
    from cytosae_toolkit.tokens import sample_tokens
    from cytosae_toolkit.training.run import create_from_record
    from cytosae_toolkit.training.trainer import step_generator

    sae = create_from_record(run.record)
    sample = sample_tokens(view, int(run.config.get("init_tokens") or INIT_TOKENS), seed=seed)
    sae.initialize(sample, step_generator(seed, 2**32 - 1))
    sae.before_step()
    return sae.eval().to(device)


def untrained_backbone(run: Run, *, device: str) -> Backbone:
    """Return the run's backbone with random weights, the same architecture and preprocessing.

    Raises
    ------
    CytosaeError
        If its plugin offers no random weights.
    """
    from cytosae_toolkit.plugins import build_backbone, registry

    record = run.record["plugins"]["backbone"]
    part, _ = registry().from_record(record)
    fields = part.spec.options.model_fields
    if "untrained" not in fields:
        raise CytosaeError(f"The backbone {part.name} offers no random weights (option untrained).")
    changes: dict[str, Any] = {"untrained": True}
    if "checkpoint" in fields:
        changes["checkpoint"] = None
    if "seed" in fields:
        changes["seed"] = int(record["options"].get("seed", 0)) + 1  # another one, should the run's be untrained too
    options = part.spec.options.model_validate(record["options"] | changes)
    return build_backbone(part, options, device=device, offline=True)


def check_comparable(run: Run, other: Run) -> None:
    """Refuse to compare runs that read other tokens.

    Raises
    ------
    CytosaeError
        If backbone or layer differ.
    """
    for name, what in (("fingerprint", "backbone"), ("layer", "layer")):
        mine, theirs = run.record["backbone"].get(name), other.record["backbone"].get(name)
        if mine != theirs:
            raise CytosaeError(
                f"The runs {run.path} and {other.path} differ in their {what}: {mine} and {theirs}.",
                "Compare runs on the same tokens, such as two seeds.",
            )
