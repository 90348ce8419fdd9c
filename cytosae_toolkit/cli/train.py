"""``train``: from images to a trained SAE."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    BackboneOptions,
    DebugOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    OfflineOption,
    QuietOption,
    SAEOptions,
    note,
    parse_pairs,
    print_json,
    say,
)
from cytosae_toolkit.cli.ranks import together

if TYPE_CHECKING:
    from cytosae_toolkit.distributed import Ranks
    from cytosae_toolkit.training import Run
    from cytosae_toolkit.training.preparing import Prepared

DATA, MODEL, LEARNING, RUNNING = "Images", "What is learned", "How it is learned", "Running"


def register(app: typer.Typer) -> None:
    """Add ``train`` to the program."""
    app.command("train")(train)


def train(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGES", help="A folder, a table, an image or LAYOUT:DIR; one or more.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Run folder to write.", rich_help_panel=RUNNING)],
    backbone: Annotated[str | None, typer.Option(help="Backbone; default dinobloom-b.", rich_help_panel=MODEL)] = None,
    backbone_option: BackboneOptions = None,
    layer: Annotated[
        int | None, typer.Option(help="Block to read, from 0 or from the end; default -2.", rich_help_panel=MODEL)
    ] = None,
    sae: Annotated[str | None, typer.Option(help="SAE variant; default relu-l1.", rich_help_panel=MODEL)] = None,
    sae_option: SAEOptions = None,
    preset: Annotated[
        str | None, typer.Option(help="'paper': the published settings.", rich_help_panel=LEARNING)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings; options win.", rich_help_panel=LEARNING)
    ] = None,
    expansion: Annotated[
        float | None, typer.Option(help="Latents per token dimension; default by data.", rich_help_panel=MODEL)
    ] = None,
    latents: Annotated[
        int | None, typer.Option("--latents", help="Number of latents instead.", rich_help_panel=MODEL)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps; default by data.", rich_help_panel=LEARNING)
    ] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens of a batch; default 4096 or what fits.", rich_help_panel=LEARNING)
    ] = None,
    batch_images: Annotated[
        int | None, typer.Option(help="Whole images of a batch instead.", rich_help_panel=LEARNING)
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate; default by variant.", rich_help_panel=LEARNING)
    ] = None,
    warmup_steps: Annotated[
        int | None, typer.Option(help="Linear warm-up; default 500, at most 5 %.", rich_help_panel=LEARNING)
    ] = None,
    lr_decay: Annotated[
        float | None,
        typer.Option(help="Last share of steps with a falling rate; default 0.2.", rich_help_panel=LEARNING),
    ] = None,
    held_out: Annotated[
        float | None, typer.Option(help="Share of images held out; default 0.1.", rich_help_panel=DATA)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default 0.", rich_help_panel=LEARNING)] = None,
    map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=COLUMN", help="Column of a table, path=file.", rich_help_panel=DATA),
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Accept tables that leave their folder.", rich_help_panel=DATA)
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unreadable images.", rich_help_panel=DATA)] = False,
    tokens: Annotated[
        Path | None, typer.Option(help="Token store; default in the cache.", rich_help_panel=RUNNING)
    ] = None,
    no_token_store: Annotated[
        bool, typer.Option("--no-token-store", help="Compute tokens anew, keep none.", rich_help_panel=RUNNING)
    ] = False,
    token_dtype: Annotated[str | None, typer.Option(help="float16 or float32.", rich_help_panel=RUNNING)] = None,
    device: DeviceOption = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32, tf32 or bfloat16.", rich_help_panel=RUNNING)] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that decode images.", rich_help_panel=RUNNING)
    ] = None,
    log_every: Annotated[
        int | None, typer.Option(help="Steps between rows of metrics.csv; default 50.", rich_help_panel=RUNNING)
    ] = None,
    checkpoint_every: Annotated[
        int | None, typer.Option(help="Steps between checkpoints; default two minutes.", rich_help_panel=RUNNING)
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where a run stopped; start where there is none.", rich_help_panel=RUNNING),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and stop.", rich_help_panel=RUNNING)
    ] = False,
    offline: OfflineOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a sparse autoencoder on the tokens of your images.

    Says first what will be done and what it needs; ends with the run folder and its metrics on held-out images.
    Ctrl-C saves the state; the same command with --resume goes on.
    """
    given: dict[str, Any] = {
        "images": tuple(images), "out": out, "backbone": backbone, "layer": layer, "sae": sae,
        "backbone_options": parse_pairs(backbone_option, "-B"), "sae_options": parse_pairs(sae_option, "-S"),
        "expansion": expansion, "d_sae": latents, "steps": steps, "batch_tokens": batch_tokens,
        "batch_images": batch_images, "lr": lr, "warmup_steps": warmup_steps, "lr_decay": lr_decay,
        "held_out": held_out, "seed": seed, "map": parse_pairs(map, "--map"), "tokens": tokens,
        "token_dtype": token_dtype, "workers": workers, "log_every": log_every,
        "checkpoint_every": checkpoint_every, "allow_outside": allow_outside or None, "strict": strict or None,
        "token_store": False if no_token_store else None, "offline": offline or dry_run or None,
        "device": None if device == "auto" else device, "precision": None if precision == "auto" else precision,
    }  # fmt: skip
    from cytosae_toolkit.training.session import check_output

    with together(device) as ranks:
        if ranks.first:
            check_output(out, resume=resume, force=force)
        if ranks.size > 1:
            given["device"] = ranks.device
        silent = quiet or not ranks.first
        prepared = _prepare(given, preset, config, ranks, resume=resume, quiet=silent)
        _announce(prepared, ranks, quiet=silent or json)
        prepared.plan.check()
        if not dry_run:
            run = _run(prepared, ranks, resume=resume, force=force, quiet=silent)
        if ranks.first:
            _dry_run(prepared, json=json) if dry_run else _finish(run, json=json)


def _prepare(
    given: dict[str, Any], preset: str | None, file: Path | None, ranks: Ranks, *, resume: bool, quiet: bool
) -> Prepared:
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.training.config import merge
    from cytosae_toolkit.training.preparing import prepare
    from cytosae_toolkit.training.provenance import check_resumable

    config, origins = merge(given, preset=preset, file=file)
    if resume:
        config = check_resumable(config)
    return prepare(config, origins, progress=progress_for(quiet), ranks=ranks)


def _announce(prepared: Prepared, ranks: Ranks, *, quiet: bool) -> None:
    if quiet:
        return
    spec = prepared.backbone_choice.part.spec
    note(f"Backbone  {spec.name}, block {prepared.layer} of {prepared.backbone.layers}, on {prepared.device}")
    if getattr(spec, "demonstration", False):
        note("          a demonstration backbone: for trials, not for results")
    note(f"SAE       {prepared.sae_choice.part.spec.name} {_options(prepared)}")
    for line in prepared.plan.lines():
        note(line)
    if ranks.size > 1:
        note(f"Processes {ranks.size}, each with its share of every batch")
    _list_skipped(prepared.skipped)


def _options(prepared: Prepared) -> str:
    values = prepared.sae_choice.options.model_dump(mode="json")
    return "(" + ", ".join(f"{name}={value}" for name, value in values.items() if value is not None) + ")"


def _list_skipped(skipped: list[dict[str, str]]) -> None:
    if not skipped:
        return
    note(f"Skipped   {len(skipped)} images:")
    for item in skipped[:10]:
        note(f"          {item['path']}: {item['reason']}")
    if len(skipped) > 10:
        note(f"          … and {len(skipped) - 10} more, listed in config.json")


def _dry_run(prepared: Prepared, *, json: bool) -> None:
    if json:
        print_json(prepared.plan.to_json() | {"skipped": prepared.skipped})
    else:
        say("Dry run: nothing was written.")


def _run(prepared: Prepared, ranks: Ranks, *, resume: bool, force: bool, quiet: bool) -> Run:
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.training.session import run_prepared
    from cytosae_toolkit.training.trainer import Interrupted

    with stop_on_signal(aloud=ranks.first) as stop:
        try:
            return run_prepared(
                prepared, resume=resume, force=force, progress=progress_for(quiet), stop=stop, ranks=ranks
            )
        except Interrupted as interruption:
            out = prepared.config.out
            raise KeyboardInterrupt(
                f"Interrupted after step {interruption.step}; the state is saved in {out}. "
                "Go on with the same command and --resume."
            ) from None


@contextmanager
def stop_on_signal(*, aloud: bool = True) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether SIGINT or SIGTERM came; a second SIGINT stops at once.

    Parameters
    ----------
    aloud : bool
        Whether to tell the user; where several processes work together, one does.
    """
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt("Interrupted at once; the last checkpoint is kept. Go on with --resume.")
        asked.set()
        if aloud:
            os.write(2, b"\nStopping where nothing is lost; once more to stop at once.\n")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _finish(run: Run, *, json: bool) -> None:
    if json:
        print_json({"run": run.path, "config": run.config, "evaluation": run.evaluation})
        return
    for line in summary(run):
        say(line)


def summary(run: Run) -> list[str]:
    """Return the result of a run in lines for a person."""
    found = run.evaluation
    name = "held_out" if found.get("held_out") else "train"
    where = "held-out images" if name == "held_out" else "training images (none were held out)"
    m = found[name]
    return [
        f"On {m['n_images']} {where}:",
        f"  FVU {m['fvu']:.3f} (robust {m['fvu_robust']:.3f}; {m['pca_components']} principal components leave "
        f"{m['pca_fvu_robust']:.3f})",
        f"  L0 {m['l0']:.1f} of {run.record['d_sae']:,} latents ({100 * m['l0_share']:.2f} %), "
        f"shrinkage {m['shrinkage']:.3f}",
        f"  dead share {100 * found['dead_share_window']:.1f} % over the last {found['dead_window_steps']} steps, "
        f"{100 * m['dead_share_set']:.1f} % over these images",
        f"Run folder: {run.path}",
    ]
