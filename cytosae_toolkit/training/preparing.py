"""Everything that is checked before a run starts: parts, images, split, sizes, and what it will need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from cytosae_toolkit.devices import resolve_device, resolve_precision
from cytosae_toolkit.distributed import ALONE, Ranks
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training import plan as planning
from cytosae_toolkit.training.config import Origin, TrainConfig
from cytosae_toolkit.training.parts import Chosen, choose_parts, create_sae
from cytosae_toolkit.training.sharing import agree
from cytosae_toolkit.training.sizes import Sizes, default_batch, resolve_sizes
from cytosae_toolkit.weights import show_downloads

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable, Split


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before the first token is read.

    Parameters
    ----------
    config : TrainConfig
        As given.
    origins : mapping
        Where each field came from.
    images : ImageTable
        Readable images.
    skipped : list of dict
        Path and reason of the others.
    split : Split
        Rows to learn from, rows held out.
    backbone_choice, sae_choice : Chosen
        Parts and options.
    backbone : Backbone
        On its device.
    layer : int
        0-based block.
    device, precision : str
        Resolved.
    plan : Plan
        Sizes and needs.
    """

    config: TrainConfig
    origins: Mapping[str, Origin]
    images: ImageTable
    skipped: list[dict[str, str]]
    split: Split
    backbone_choice: Chosen
    sae_choice: Chosen
    backbone: Backbone
    layer: int
    device: str
    precision: str
    plan: planning.Plan

    @property
    def sizes(self) -> Sizes:
        """Latents, batch, steps."""
        return self.plan.sizes

    @property
    def demonstration(self) -> bool:
        """Whether the backbone only serves demonstrations."""
        return bool(getattr(self.backbone_choice.part.spec, "demonstration", False))

    @property
    def lr(self) -> float:
        """Learning rate: as configured, else as the variant recommends."""
        return self.config.lr or self.create_sae().recommended_lr

    def create_sae(self) -> SparseAutoencoder:
        """Create the SAE, its parameters not yet initialised."""
        return create_sae(self.sae_choice, self.sizes)


def prepare(
    config: TrainConfig,
    origins: Mapping[str, Origin] | None = None,
    *,
    progress: Progress = SILENT,
    ranks: Ranks = ALONE,
) -> Prepared:
    """Check everything that can be checked before the work starts.

    Parameters
    ----------
    config : TrainConfig
        What to do.
    origins : mapping, optional
        Where each field came from; by default what was set counts as an option.
    progress : Progress
        Where to report.
    ranks : Ranks
        The processes that will train together; they must find the same.

    Raises
    ------
    CytosaeError
        If anything is unknown, unreadable, contradictory, or cannot fit.
    """
    from cytosae_toolkit.images import holdout
    from cytosae_toolkit.images.combining import read_image_sets
    from cytosae_toolkit.plugins import build_backbone
    from cytosae_toolkit.tokens import refuse_foreign

    if config.tokens is not None and config.token_store:
        refuse_foreign(config.tokens)
    chosen_backbone, chosen_sae = choose_parts(config)
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    table = read_image_sets(config.images, map=config.map, allow_outside=config.allow_outside, strict=config.strict)
    with ranks.in_turn(), show_downloads(progress):
        backbone = build_backbone(chosen_backbone.part, chosen_backbone.options, device=device, offline=config.offline)
    layer = backbone.resolve_layer(config.layer)
    _check_store(config, backbone, layer)
    images = readable_images(config, table, backbone, layer, progress)
    split = holdout(images, config.held_out, config.seed, workers=config.workers)
    prepared = Prepared(
        config=config,
        origins=origins or _origins_in_python(config),
        images=images,
        skipped=[{"path": str(item.path), "reason": item.reason} for item in images.skipped],
        split=split,
        backbone_choice=chosen_backbone,
        sae_choice=chosen_sae,
        backbone=backbone,
        layer=layer,
        device=device,
        precision=precision,
        plan=make_plan(config, images, split, backbone, layer, chosen_sae, device, ranks),
    )
    _say_halved(prepared, progress)
    return agree(prepared, ranks)


def _say_halved(prepared: Prepared, progress: Progress) -> None:
    config, found = prepared.config, prepared.sizes.batch_tokens
    n_tokens = len(prepared.split.train) * prepared.backbone.n_tokens
    usual = default_batch(n_tokens)
    if (config.batch_tokens, config.batch_images) == (None, None) and found < usual:
        progress.message(f"Batches have {found:,} tokens instead of {usual:,}: memory is short.")


def _check_store(config: TrainConfig, backbone: Backbone, layer: int) -> None:
    """Refuse a token store that holds other tokens."""
    from cytosae_toolkit.tokens import TokenStore, identity_for, is_token_store

    path = config.tokens
    if path is not None and config.token_store and is_token_store(path):
        identity = identity_for(backbone, layer, path, dtype=config.token_dtype, precision=config.precision)
        TokenStore.open_or_create(path, identity)


def _origins_in_python(config: TrainConfig) -> dict[str, Origin]:
    return {name: "option" if name in config.model_fields_set else "default" for name in TrainConfig.model_fields}


def readable_images(
    config: TrainConfig, table: ImageTable, backbone: Backbone, layer: int, progress: Progress
) -> ImageTable:
    """Return the images that can be read; those whose tokens are kept are known to be.

    Raises
    ------
    CytosaeError
        If none can be read, or one cannot and the configuration is strict.
    """
    from cytosae_toolkit.images import check
    from cytosae_toolkit.tokens import TokenStore, default_store, is_token_store

    path = config.tokens or default_store(backbone, layer, config.token_dtype)
    known = TokenStore.open(path) if config.token_store and is_token_store(path) else ()
    unknown = np.array([key not in known for key in table.content_keys()])
    if not unknown.any():
        return table
    unknown[np.argmin(unknown)] = True  # with one that is known to be good, some bad ones are no reason to stop
    part = table.subset(unknown)
    with progress.task("Checking images", len(part), "images") as task:
        good, skipped = check(
            part,
            strict=config.strict,
            workers=config.workers,
            n_total=len(table),
            progress=lambda *_: task.advance(),
        )
    bad = {item.path for item in skipped}
    kept = table.subset(~table.frame["path"].isin(bad).to_numpy())
    kept.skipped = good.skipped
    return kept


def make_plan(
    config: TrainConfig,
    images: ImageTable,
    split: Split,
    backbone: Backbone,
    layer: int,
    sae_choice: Chosen,
    device: str,
    ranks: Ranks = ALONE,
) -> planning.Plan:
    """Resolve sizes and expect time, memory and disk; short trials are run for that.

    Raises
    ------
    CytosaeError
        If the variant cannot have these sizes.
    """
    from cytosae_toolkit.tokens import default_store, estimate_bytes, missing_images

    sizes = resolve_sizes(
        config, d_model=backbone.d_model, n_images=len(split.train), tokens_per_image=backbone.n_tokens
    )
    window = min(config.window_images, len(split.train)) * backbone.n_tokens * backbone.d_model * planning.FLOAT
    available = planning.memory_available(device)
    sae = create_sae(sae_choice, sizes)
    processes = ranks.place.local_size
    devices = processes if device.startswith("cuda") else 1

    def need(sizes: Sizes) -> int:
        return planning.step_memory(sizes, sae, window, ranks.size)

    sizes = planning.fit_batch(config, sizes, lambda sizes: need(sizes) * (processes // devices), available)
    store = config.tokens or default_store(backbone, layer, config.token_dtype)
    to_read = missing_images(store, images) if config.token_store else len(images)
    per_image = planning.seconds_per_call(partial(_read_one, backbone, images, layer)) if to_read else 0.0
    epochs = sizes.steps * sizes.batch_tokens / (len(split.train) * backbone.n_tokens)
    passes = to_read if config.token_store else round(epochs * len(split.train))
    tokens_disk = estimate_bytes(to_read, backbone, config.token_dtype) if config.token_store else 0
    return planning.Plan(
        n_images=len(images),
        n_train=len(split.train),
        n_held_out=len(split.held_out),
        split_unit=split.unit,
        tokens_per_image=backbone.n_tokens,
        sizes=sizes,
        images_to_read=to_read,
        memory_bytes=need(sizes),
        memory_available=available,
        disk_bytes=tokens_disk + planning.run_disk(sizes),
        disk_available=min(map(planning.disk_available, (config.out, store) if config.token_store else (config.out,))),
        seconds_tokens=passes * per_image,
        seconds_training=sizes.steps * planning.step_seconds(sizes, sae, device),
        processes=processes,
        devices=devices,
    )


def _read_one(backbone: Backbone, images: ImageTable, layer: int) -> torch.Tensor:
    return backbone.tokens(backbone.preprocess(images.read(0))[None], layer).cpu()
