"""From a configuration to a run folder: read tokens, train, evaluate, resume."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.distributed import ALONE, Ranks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import is_leftover, write_json
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress, Stoppable
from cytosae_toolkit.training.config import TrainConfig
from cytosae_toolkit.training.events import Checkpointed, Ended, Started, Stepped, TrainingEvent
from cytosae_toolkit.training.final_metrics import final_metrics, training_facts
from cytosae_toolkit.training.preparing import Prepared, prepare
from cytosae_toolkit.training.provenance import check_resumable
from cytosae_toolkit.training.recording import continued, make_record, publish, split_column
from cytosae_toolkit.training.run import Run, is_run, load_run
from cytosae_toolkit.training.sharing import check_same_state, share_weights
from cytosae_toolkit.training.trainer import Schedule, Trainer, step_generator

if TYPE_CHECKING:
    from cytosae_toolkit.tokens import LiveView, TokenBatches, TokenView

INITIALIZATION = -1
"""The 'step' whose generator initialises the SAE, so that no training step shares it."""


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    force: bool = False,
    progress: Progress = SILENT,
    stop: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
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
    ranks : Ranks
        The processes that train together, from `cytosae_toolkit.distributed.open_ranks`; all call this function with
        the same arguments, but for the device, and see the same disk. The first one writes and reports.

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
    if ranks.first:
        check_output(config.out, resume=resume, force=force)
    prepared = prepare(config, progress=progress, ranks=ranks)
    return run_prepared(prepared, resume=resume, force=force, progress=progress, stop=stop, ranks=ranks)


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
    ranks: Ranks = ALONE,
) -> Run:
    """Read tokens, train, evaluate, write the run folder; see `train`."""
    prepared.plan.check()
    view = open_tokens(prepared, Stoppable(progress, stop), ranks)
    record = make_record(prepared, view)
    if ranks.first:
        record = _begin(prepared, record, resume=resume, force=force)
    ranks.barrier()
    return _fit(prepared, record, view, progress, stop, ranks)


def _begin(prepared: Prepared, record: dict[str, Any], *, resume: bool, force: bool) -> dict[str, Any]:
    """Make the run folder ready for training and return its record."""
    out = prepared.config.out
    out.mkdir(parents=True, exist_ok=True)
    if force and not resume:
        remove_run(out, keep=prepared.config.tokens)
    _remove(filter(is_leftover, [*out.iterdir(), *(out / "state").glob("*")]))
    if resume and (out / "config.json").is_file():
        record = continued(load_run(out), record)
    write_json(out / "config.json", record)
    prepared.images.with_column("split", split_column(prepared)).save(out / "images.csv")
    return record


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


def open_tokens(prepared: Prepared, progress: Progress, ranks: Ranks = ALONE) -> TokenView | LiveView:
    """Return the tokens of all images; the processes compute those that are not in the store yet, each its part."""
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
        ranks=ranks,
    )


def _fit(
    prepared: Prepared,
    record: dict[str, Any],
    view: TokenView | LiveView,
    progress: Progress,
    stop: Callable[[], bool],
    ranks: Ranks,
) -> Run:
    out, tell = prepared.config.out, _teller(ranks)
    train_view = view.subset(prepared.split.train)
    trainer = make_trainer(
        prepared, train_view, ranks, progress=progress, notify=partial(_notify, tell, out), stop=stop
    )
    first = trainer.restore()
    check_same_state(first, ranks)
    if first == trainer.schedule.steps and _is_evaluated(out, first):
        progress.message(f"The run {out} is complete already: all {first} steps are done.")
        return load_run(out)
    if first:
        progress.message(f"Going on after step {first} of {trainer.schedule.steps}.")
    elif ranks.first:
        initialize(trainer.sae, train_view, prepared.config)
    share_weights(trainer.sae, ranks)
    evaluation: dict[str, Any] = {}
    started = time.monotonic()
    tell(Started(out, first, record))
    try:
        trainer.fit()
        seconds = time.monotonic() - started
        if ranks.first:
            trainer.sae.eval().before_step()
            found = final_metrics(prepared, view, trainer.sae, Stoppable(progress, stop))
            evaluation = found | training_facts(trainer, first, seconds)
            publish(out, trainer.sae, evaluation)
    finally:
        tell(Ended(out, trainer.step, completed=bool(evaluation), evaluation=evaluation))
    ranks.barrier()
    return load_run(out)


def _teller(ranks: Ranks) -> Callable[[TrainingEvent], None]:
    """Return what tells the loggers; those of the first process."""
    from cytosae_toolkit.plugins import training_event

    return training_event if ranks.first else lambda event: None


def make_trainer(
    prepared: Prepared,
    view: TokenView | LiveView,
    ranks: Ranks = ALONE,
    *,
    progress: Progress = SILENT,
    notify: Callable[[str, int, Any], None] = lambda kind, step, value: None,
    stop: Callable[[], bool] = lambda: False,
) -> Trainer:
    """Return what trains a new SAE on the training images of a preparation."""
    batches = make_batches(prepared, view, ranks)
    return Trainer(
        sae=prepared.create_sae().to(prepared.device),
        batches=batches,
        schedule=make_schedule(prepared),
        run=prepared.config.out,
        device=prepared.device,
        precision=prepared.precision,
        progress=progress,
        notify=notify,
        stop=stop,
        ranks=ranks,
        share=batches.share,
    )


def _is_evaluated(out: Path, step: int) -> bool:
    run = load_run(out)
    return run.completed and run.evaluation.get("steps") == step


def _notify(training_event: Callable[[TrainingEvent], None], out: Path, kind: str, step: int, value: Any) -> None:
    training_event(Stepped(out, step, value) if kind == "step" else Checkpointed(out, step, value))


def make_batches(prepared: Prepared, view: TokenView | LiveView, ranks: Ranks = ALONE) -> TokenBatches:
    """Return this process's share of the batches of the run: shuffled tokens, or whole images."""
    from cytosae_toolkit.tokens import TokenBatches

    config = prepared.config
    return TokenBatches(
        view,
        seed=config.seed,
        batch_tokens=prepared.sizes.batch_tokens if config.batch_images is None else None,
        batch_images=config.batch_images,
        window_images=config.window_images,
        part=(ranks.rank, ranks.size),
        pinned=prepared.device.startswith("cuda"),
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
