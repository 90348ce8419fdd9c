"""From a configuration to a run folder: prepare (everything that can be refused), then train and evaluate."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from safetensors.torch import save_file

from cytosae_toolkit.devices import resolve_device, resolve_precision
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_path, is_leftover, write_json
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress, Stoppable
from cytosae_toolkit.training import plan as planning
from cytosae_toolkit.training.config import Origin, TrainConfig
from cytosae_toolkit.training.evaluation import measure_images
from cytosae_toolkit.training.events import Checkpointed, Ended, Started, Stepped, TrainingEvent
from cytosae_toolkit.training.provenance import check_resumable, images_digest, software_versions
from cytosae_toolkit.training.run import FORMAT, VERSION, Run, is_run, load_run
from cytosae_toolkit.training.trainer import DEAD_WINDOW, Schedule, Trainer, dead_share, step_generator
from cytosae_toolkit.weights import show_downloads

if TYPE_CHECKING:
    from cytosae_toolkit._plugin_parts import Part
    from cytosae_toolkit.images import ImageTable, Split
    from cytosae_toolkit.tokens import LiveView, TokenView

EVALUATED_TRAINING_IMAGES = 256
FOLLOW_DATA = ("expansion", "d_sae", "steps", "batch_tokens", "warmup_steps")
"""Fields that `cytosae_toolkit.training.plan` fills in where they are None."""
INITIALIZATION = -1
"""The 'step' whose generator initialises the SAE, so that no training step shares it."""


@dataclass(frozen=True)
class Chosen:
    """A plugin's part with validated options.

    Parameters
    ----------
    part : Part
        What was chosen.
    options : pydantic.BaseModel
        Its options.
    """

    part: Part
    options: BaseModel

    @property
    def record(self) -> dict[str, Any]:
        """Provenance for `config.json`."""
        return self.part.record(self.options)


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
    def sizes(self) -> planning.Sizes:
        """Latents, batch, steps."""
        return self.plan.sizes

    @property
    def lr(self) -> float:
        """Learning rate: as configured, else as the variant recommends."""
        return self.config.lr or self.create_sae().recommended_lr

    def create_sae(self) -> SparseAutoencoder:
        """Create the SAE, its parameters not yet initialised."""
        from cytosae_toolkit.plugins import build_sae

        return build_sae(self.sae_choice.part, self.sizes.d_model, self.sizes.d_sae, self.sae_choice.options)


def choose_parts(config: TrainConfig) -> tuple[Chosen, Chosen]:
    """Find backbone and SAE variant and validate their options, before anything slow happens.

    Options of the variant that the backbone was tuned for apply unless the user gave others.
    """
    from cytosae_toolkit.plugins import registry

    backbone = registry().get("backbone", config.backbone)
    sae = registry().get("sae", config.sae)
    return (
        Chosen(backbone, backbone.parse_options(config.backbone_options)),
        Chosen(sae, sae.parse_options({**tuned_options(backbone, sae), **config.sae_options})),
    )


def tuned_options(backbone: Part, sae: Part) -> Mapping[str, Any]:
    """Return the options of an SAE variant that a backbone was tuned for."""
    tuned: Mapping[str, Any] = getattr(backbone.spec, "sae_defaults", {}).get(sae.name, {})
    return tuned


def prepare(
    config: TrainConfig, origins: Mapping[str, Origin] | None = None, *, progress: Progress = SILENT
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
    with show_downloads(progress):
        backbone = build_backbone(chosen_backbone.part, chosen_backbone.options, device=device, offline=config.offline)
    layer = backbone.resolve_layer(config.layer)
    images = readable_images(config, table, backbone, layer, progress)
    split = holdout(images, config.held_out, config.seed)
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
        plan=make_plan(config, images, split, backbone, layer, device),
    )
    prepared.create_sae()  # refuses sizes that the variant cannot have
    return prepared


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
        good, skipped = check(part, strict=config.strict, workers=config.workers, progress=lambda *_: task.advance())
    bad = {item.path for item in skipped}
    kept = table.subset(~table.frame["path"].isin(bad).to_numpy())
    kept.skipped = good.skipped
    return kept


def make_plan(
    config: TrainConfig, images: ImageTable, split: Split, backbone: Backbone, layer: int, device: str
) -> planning.Plan:
    """Resolve sizes and expect time, memory and disk; short trials are run for that."""
    from cytosae_toolkit.tokens import default_store, estimate_bytes, missing_images

    sizes = planning.resolve_sizes(
        config, d_model=backbone.d_model, n_images=len(split.train), tokens_per_image=backbone.n_tokens
    )
    window = min(config.window_images, len(split.train)) * backbone.n_tokens * backbone.d_model * planning.FLOAT
    available = planning.memory_available(device)
    sizes = planning.fit_batch(config, sizes, available, window)
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
        memory_bytes=planning.step_memory(sizes, window),
        memory_available=available,
        disk_bytes=tokens_disk + planning.run_disk(sizes),
        disk_available=min(map(planning.disk_available, (config.out, store) if config.token_store else (config.out,))),
        seconds_tokens=passes * per_image,
        seconds_training=sizes.steps * planning.step_seconds(sizes, device),
    )


def _read_one(backbone: Backbone, images: ImageTable, layer: int) -> torch.Tensor:
    return backbone.tokens(backbone.preprocess(images.read(0))[None], layer).cpu()


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Train an SAE on the tokens of an image collection.

    Parameters
    ----------
    config : TrainConfig
        What to train, on what, and how.
    resume : bool
        Go on where an interrupted run stopped; starts afresh where there is none.
    force : bool
        Replace an existing run.
    progress : Progress
        Where to report.
    stop : callable
        Asked after each step; True saves the state and raises `Interrupted`. While tokens are read or metrics are
        measured, True raises `cytosae_toolkit.progress.Stopped`.

    Returns
    -------
    Run
        The finished run.

    Raises
    ------
    CytosaeError
        If anything is wrong with the input; nothing that was complete is lost.
    """
    if resume:
        config = check_resumable(config)
    check_output(config.out, resume=resume, force=force)
    return run_prepared(prepare(config, progress=progress), resume=resume, force=force, progress=progress, stop=stop)


def check_output(out: Path, *, resume: bool, force: bool) -> None:
    """Refuse to write over anything that was not asked for.

    Raises
    ------
    CytosaeError
        If `out` exists and is neither resumed nor replaced, or is no run folder.
    """
    if not out.exists() or (out.is_dir() and all(is_leftover(path) for path in out.iterdir())):
        return
    if not is_run(out):
        raise CytosaeError(f"{out} exists and is not a run of cytosae-toolkit.", "Choose another --out.")
    if not resume and not force:
        raise CytosaeError(f"The run {out} exists.", "Go on with --resume, replace it with --force, or choose another.")


def run_prepared(
    prepared: Prepared,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Read tokens, train, evaluate, write the run folder; see `train`."""
    prepared.plan.check()
    out = prepared.config.out
    view = open_tokens(prepared, Stoppable(progress, stop))
    record = make_record(prepared, view)
    out.mkdir(parents=True, exist_ok=True)
    if force and not resume:
        remove_run(out, keep=prepared.config.tokens)
    _remove(filter(is_leftover, [*out.iterdir(), *(out / "state").glob("*")]))
    if resume and (out / "config.json").is_file():
        record = _continued(load_run(out), record)
    write_json(out / "config.json", record)
    prepared.images.with_column("split", _split_column(prepared)).save(out / "images.csv")
    return _fit(prepared, record, view, progress, stop)


def remove_run(out: Path, *, keep: Path | None = None) -> None:
    """Empty a run folder, but for a token store that lies in it."""
    kept = None if keep is None else keep.resolve()
    _remove(path for path in out.iterdir() if kept is None or not kept.is_relative_to(path.resolve()))


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def open_tokens(prepared: Prepared, progress: Progress) -> TokenView | LiveView:
    """Return the tokens of all images, reading those that are not in the store yet."""
    from cytosae_toolkit.tokens import token_source

    config = prepared.config
    return token_source(
        prepared.images,
        prepared.backbone,
        prepared.layer,
        store=config.tokens,
        no_store=not config.token_store,
        dtype=config.token_dtype,
        precision=config.precision,
        plugin=prepared.backbone_choice.record,
        demonstration=_demonstration(prepared),
        workers=config.workers,
        strict=True,  # unreadable images are gone already
        progress=progress,
    )


def _demonstration(prepared: Prepared) -> bool:
    return bool(getattr(prepared.backbone_choice.part.spec, "demonstration", False))


def _split_column(prepared: Prepared) -> NDArray[np.str_]:
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
            "demonstration": _demonstration(prepared),
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


def _continued(run: Run, record: dict[str, Any]) -> dict[str, Any]:
    """Refuse to go on with other images, tokens or weights; keep the original date."""
    for what, old, new in (
        ("images", run.record["images"]["digest"], record["images"]["digest"]),
        ("backbone", run.record["backbone"]["fingerprint"], record["backbone"]["fingerprint"]),
        ("layer", run.layer, record["backbone"]["layer"]),
        ("SAE options", run.record["plugins"]["sae"]["options"], record["plugins"]["sae"]["options"]),
        ("number of latents", run.record["d_sae"], record["d_sae"]),
    ):
        if old != new:
            raise CytosaeError(
                f"The run {run.path} was started with another {what} ({old!r}, now {new!r}).",
                "Resume with the same input, or start afresh with --force.",
            )
    steps = record["config"]["steps"] != run.record["config"]["steps"]
    origins = run.record["origins"] | ({"steps": "option"} if steps else {})
    return record | {"created": run.record["created"], "origins": origins}


def _fit(
    prepared: Prepared,
    record: dict[str, Any],
    view: TokenView | LiveView,
    progress: Progress,
    stop: Callable[[], bool],
) -> Run:
    from cytosae_toolkit.plugins import training_event

    out, train_view = prepared.config.out, view.subset(prepared.split.train)
    sae = prepared.create_sae().to(prepared.device)
    trainer = Trainer(
        sae=sae,
        batches=make_batches(prepared, train_view),
        schedule=make_schedule(prepared),
        run=out,
        device=prepared.device,
        precision=prepared.precision,
        progress=progress,
        notify=partial(_notify, training_event, out),
        stop=stop,
    )
    first = trainer.restore()
    if first == trainer.schedule.steps and _is_evaluated(out, first):
        return load_run(out)
    if first == 0:
        initialize(sae, train_view, prepared.config)
    evaluation: dict[str, Any] = {}
    started = time.monotonic()
    training_event(Started(out, first, record))
    try:
        trainer.fit()
        seconds = time.monotonic() - started
        sae.eval().before_step()
        evaluation = _evaluate(prepared, view, sae, Stoppable(progress, stop)) | _training_facts(
            trainer, first, seconds
        )
        publish(out, sae, evaluation)
    finally:
        training_event(Ended(out, trainer.step, completed=bool(evaluation), evaluation=evaluation))
    return load_run(out)


def _is_evaluated(out: Path, step: int) -> bool:
    run = load_run(out)
    return run.completed and run.evaluation.get("steps") == step


def _notify(training_event: Callable[[TrainingEvent], None], out: Path, kind: str, step: int, value: Any) -> None:
    training_event(Stepped(out, step, value) if kind == "step" else Checkpointed(out, step, value))


def make_batches(prepared: Prepared, view: TokenView | LiveView) -> Any:
    """Return the batches of the run: shuffled tokens, or whole images."""
    from cytosae_toolkit.tokens import TokenBatches

    config = prepared.config
    return TokenBatches(
        view,
        seed=config.seed,
        batch_tokens=prepared.sizes.batch_tokens if config.batch_images is None else None,
        batch_images=config.batch_images,
        window_images=config.window_images,
    )


def make_schedule(prepared: Prepared) -> Schedule:
    """Return the settings of the loop."""
    config, sizes = prepared.config, prepared.sizes
    return Schedule(
        steps=sizes.steps,
        lr=prepared.lr,
        warmup_steps=sizes.warmup_steps,
        lr_decay=config.lr_decay,
        seed=config.seed,
        log_every=config.log_every,
        checkpoint_every=config.checkpoint_every,
    )


def initialize(sae: SparseAutoencoder, view: TokenView | LiveView, config: TrainConfig) -> None:
    """Initialise an SAE on a random sample of training tokens."""
    from cytosae_toolkit.tokens import sample_tokens

    sample = sample_tokens(view, config.init_tokens, seed=config.seed).to(sae.W_dec.device)
    sae.initialize(sample, step_generator(config.seed, 2**32 + INITIALIZATION))


def _evaluate(
    prepared: Prepared, view: TokenView | LiveView, sae: SparseAutoencoder, progress: Progress
) -> dict[str, Any]:
    """Measure on the held-out images and on as many training images as are worth the time."""
    rng = np.random.default_rng(prepared.config.seed)
    train = prepared.split.train
    if len(train) > EVALUATED_TRAINING_IMAGES:
        train = np.sort(rng.choice(train, EVALUATED_TRAINING_IMAGES, replace=False))
    found: dict[str, Any] = {"held_out": None}
    for name, indices in (("train", train), ("held_out", prepared.split.held_out)):
        if len(indices):
            measured = measure_images(
                sae,
                view,
                indices,
                prefix_tokens=prepared.backbone.prefix_tokens,
                device=prepared.device,
                progress=progress,
                description=f"Measuring {name.replace('_', '-')} images",
            )
            found[name] = {"n_images": len(indices), **measured.to_json()}
    return found


def _training_facts(trainer: Trainer, first: int, seconds: float) -> dict[str, Any]:
    batch = trainer.log.rows[-1] if trainer.log.rows else {"tokens": 0, "step": 1}
    per_step = int(batch["tokens"]) / int(batch["step"])
    done = trainer.step - first
    return {
        "steps": trainer.step,
        "tokens_seen": round(trainer.step * per_step),
        "dead_window_steps": DEAD_WINDOW,
        "dead_share_window": dead_share(trainer.sae),
        "tokens_per_second": done * per_step / seconds if done and seconds else None,
        "seconds": seconds,
    }


def publish(out: Path, sae: SparseAutoencoder, evaluation: Mapping[str, Any]) -> None:
    """Write the weights, then the evaluation; the run counts as complete from then on."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in sae.state_dict().items()}
    with atomic_path(out / "sae.safetensors") as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})  # of several keys the order would be random
    write_json(out / "evaluation.json", dict(evaluation))
