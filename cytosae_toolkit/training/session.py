"""From a configuration to a run folder: read tokens, train, evaluate, resume."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import is_leftover, write_json
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress, Stoppable
from cytosae_toolkit.training.config import TrainConfig
from cytosae_toolkit.training.evaluation import measure_images
from cytosae_toolkit.training.events import Checkpointed, Ended, Started, Stepped, TrainingEvent
from cytosae_toolkit.training.image_fit import measure_training_images, training_sample_size
from cytosae_toolkit.training.preparing import Prepared, prepare
from cytosae_toolkit.training.provenance import check_resumable
from cytosae_toolkit.training.recording import continued, make_record, publish, split_column
from cytosae_toolkit.training.run import Run, is_run, load_run
from cytosae_toolkit.training.trainer import DEAD_WINDOW, Schedule, Trainer, dead_share, step_generator

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.tokens import LiveView, TokenView

EVALUATED_TRAINING_IMAGES = 256
SIDES, MEASURED_CELLS = 2048, 128
"""Of how many training images the size is looked at, and of how many the cell."""
INITIALIZATION = -1
"""The 'step' whose generator initialises the SAE, so that no training step shares it."""


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
        record = continued(load_run(out), record)
    write_json(out / "config.json", record)
    prepared.images.with_column("split", split_column(prepared)).save(out / "images.csv")
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
        demonstration=prepared.demonstration,
        workers=config.workers,
        strict=True,  # unreadable images are gone already
        progress=progress,
    )


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
        progress.message(f"The run {out} is complete already: all {first} steps are done.")
        return load_run(out)
    if first:
        progress.message(f"Going on after step {first} of {trainer.schedule.steps}.")
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
    return found | {"image_fit": _image_fit(prepared, view, sae, progress)}


def _image_fit(
    prepared: Prepared, view: TokenView | LiveView, sae: SparseAutoencoder, progress: Progress
) -> dict[str, Any]:
    """Measure single training images, so that later images can be compared with them."""
    train = prepared.split.train
    with progress.task("Measuring single training images", training_sample_size(train), "images") as task:
        fit = measure_training_images(sae, view, train, seed=prepared.config.seed, device=prepared.device, task=task)
    sides, cell_sizes = _view_of(prepared.images, train)
    return fit.with_view(sides, cell_sizes).to_json()


def _view_of(images: ImageTable, train: NDArray[np.int64]) -> tuple[list[int], list[float]]:
    """Return the longer sides of training images and the shares that their cells cover; missing files are left out."""
    from cytosae_toolkit.images.decode import UnreadableImage, image_size
    from cytosae_toolkit.images.morphology import measure_cell

    sides, cell_sizes = [], []
    for row in _spread(train, SIDES):
        box = images.box(row)
        with suppress(UnreadableImage):
            sides.append(max(box[2] - box[0], box[3] - box[1]) if box else max(image_size(images.path(row))))
    for row in _spread(train, MEASURED_CELLS):
        with suppress(UnreadableImage):
            cell_sizes.append(measure_cell(images.read(row)).cell_size)
    return sides, cell_sizes


def _spread(rows: NDArray[np.int64], n: int) -> list[int]:
    """Return at most `n` of the rows, evenly spread."""
    return [int(row) for row in rows[:: -(-len(rows) // n)]]


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
