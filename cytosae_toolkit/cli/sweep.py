"""``sweep``: a grid of SAEs from one token store, several seeds, and a table with mean ± sd.

Several processes may work in one folder: started again and again they share the runs among them, and with
``--shard I/N`` each takes every N-th run, as in a job array::

    #!/bin/bash
    #SBATCH --array=0-9 --gres=gpu:1 --cpus-per-task=8 --time=24:00:00 --signal=B:TERM@120
    exec cytosae-toolkit sweep paper-ablation mll23:/data/MLL23 --out /scratch/ablation \
        --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --offline

A job that runs out of time saves its state; submitting the array again goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    DeviceOption,
    JsonOption,
    OfflineOption,
    QuietOption,
    note,
    parse_pairs,
    print_json,
    say,
    stdout_console,
)
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.sweep import SweepFile, SweepRun, SweepTables, SweepWork
    from cytosae_toolkit.atlas.sweep.folder import SweepFolder
    from cytosae_toolkit.atlas.sweep.running import SweepOutcome

SHOWN = {
    "fvu_robust": ("FVU, robust", ".3f"),
    "l0": ("L0", ".1f"),
    "dead_share_window": ("dead share", ".2f"),
    "never_fired_share": ("never fired", ".2f"),
    "concepts_above_1e-3": ("log10 mean > -3", ",.0f"),
    "stability_mean_max_cosine": ("stability", ".2f"),
}
"""Columns of `sweep.csv` on the terminal: heading, format."""


def register(app: typer.Typer) -> None:
    """Add ``sweep`` to the program."""
    app.command("sweep")(sweep)


def sweep(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="YAML file, or a shipped one: paper-ablation, quick (see docs).")
    ],
    images: Annotated[
        list[str] | None, typer.Argument(metavar="IMAGES", help="A folder, a table, an image or LAYOUT:DIR; or more.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the sweep; gone on with.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="K,…", help="Seeds instead of those of the file.")] = None,
    shard: Annotated[str, typer.Option(metavar="I/N", help="Train every N-th run, from the I-th.")] = "0/1",
    list_only: Annotated[bool, typer.Option("--list", help="List the runs and their state, and stop.")] = False,
    table_only: Annotated[bool, typer.Option("--table", help="Make the table of what is there, and stop.")] = False,
    tokens: Annotated[
        Path | None, typer.Option(help="Token store; for several layers a folder of stores. Default in the cache.")
    ] = None,
    map: Annotated[
        list[str] | None, typer.Option("--map", metavar="NAME=COLUMN", help="Column of a table, path=file.")
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Accept tables that leave their folder.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse unreadable images.")] = False,
    device: DeviceOption = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that decode images.")] = None,
    offline: OfflineOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a grid of SAEs from one token store over several seeds; a table with mean ± sd.

    Ctrl-C saves the state, and the same command goes on. A run that fails is reported, and the others are trained.
    """
    from cytosae_toolkit.atlas.sweep import SweepWork, expand, read_sweep, runs_of
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.cli.tokens import parse_shard

    part, chosen = parse_shard(shard), None if seeds is None else _parse_seeds(seeds)
    read = read_sweep(file)
    runs = runs_of(expand(read), chosen or read.seeds)
    if list_only:
        _list(runs[part[0] :: part[1]], out, json=json)
        return
    folder = _folder(out)
    progress = progress_for(quiet)
    work = SweepWork(
        device=device, workers=workers, offline=offline, strict=strict, allow_outside=allow_outside,
        map=parse_pairs(map, "--map"), tokens=tokens, progress=progress,
    )  # fmt: skip
    if not table_only and not images:
        raise CytosaeError("There are no images to train on.", "Name them: sweep FILE IMAGES --out DIR.")
    if table_only and folder.check() is None:
        raise CytosaeError(f"There is no sweep in {folder.path}.", "Train one first: sweep FILE IMAGES --out DIR.")
    outcome = None if table_only else _train(read, runs, images or [], folder, chosen, part, work)
    tables, files = _write(folder, runs, work)
    if json:
        print_json(_document(folder, outcome, tables, files))
    else:
        _show(tables, outcome, files)
    if outcome is not None and outcome.failed:
        raise _failure(folder, outcome)


def _parse_seeds(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise CytosaeError(f"--seeds {text!r} is not a list of whole numbers.", "Write --seeds 0,1,2.")
    return list(dict.fromkeys(map(int, parts)))


def _folder(out: Path | None) -> SweepFolder:
    from cytosae_toolkit.atlas.sweep.folder import SweepFolder

    if out is None:
        raise CytosaeError("A sweep needs a folder.", "Give --out DIR.")
    return SweepFolder(out)


def _list(runs: list[SweepRun], out: Path | None, *, json: bool) -> None:
    from cytosae_toolkit.atlas.sweep.folder import SweepFolder

    folder = None if out is None else SweepFolder(out)
    if folder is not None:
        folder.check()
    rows = [
        {
            "run": run.name,
            "state": "waiting" if folder is None else folder.state(run),
            "changes": run.point.label,
            "seed": run.seed,
            "problem": run.point.problem or (None if folder is None else folder.failure(run)),
        }
        for run in runs
    ]
    if json:
        print_json({"runs": rows})
        return
    for row in rows:
        say(f"{row['state']:9} {row['run']}" + (f"   {row['problem']}" if row["problem"] else ""))


def _train(
    read: SweepFile,
    runs: list[SweepRun],
    images: list[str],
    folder: SweepFolder,
    seeds: list[int] | None,
    part: tuple[int, int],
    work: SweepWork,
) -> SweepOutcome:
    from dataclasses import replace

    from cytosae_toolkit.atlas.sweep import run_sweep
    from cytosae_toolkit.cli.train import stop_on_signal
    from cytosae_toolkit.training import Interrupted

    n_points = len({run.point.name for run in runs})
    work.progress.message(f"{n_points} points, {len(runs)} runs in {folder.path}")
    with stop_on_signal() as stop:
        try:
            return run_sweep(read, images, folder.path, seeds=seeds, shard=part, work=replace(work, stop=stop))
        except KeyboardInterrupt as error:
            done = sum(folder.is_finished(run) for run in runs)
            where = f" after step {error.step} of a run" if isinstance(error, Interrupted) else ""
            raise KeyboardInterrupt(
                f"Interrupted{where}; {done} of {len(runs)} runs are finished, the state is saved in {folder.path}. "
                "The same command goes on."
            ) from None


def _write(folder: SweepFolder, runs: list[SweepRun], work: SweepWork) -> tuple[SweepTables, list[Path]]:
    from cytosae_toolkit.atlas.sweep import write_tables
    from cytosae_toolkit.atlas.sweep.table import table_paths
    from cytosae_toolkit.figures.style import save_figure
    from cytosae_toolkit.figures.sweep import sweep_figure
    from cytosae_toolkit.files import atomic_path

    tables = write_tables(folder, runs, progress=work.progress)
    picture = folder.path / "sweep.png"
    with atomic_path(picture) as temporary:
        drawn = temporary.with_suffix(".png")
        save_figure(sweep_figure(tables.runs, tables.points), drawn)
        drawn.replace(temporary)
    return tables, [*table_paths(folder), picture]


def _document(
    folder: SweepFolder, outcome: SweepOutcome | None, tables: SweepTables, files: list[Path]
) -> dict[str, Any]:
    return {
        "sweep": folder.path,
        "outcome": outcome,
        "runs": tables.runs.to_dict(orient="records"),
        "points": tables.points.to_dict(orient="records"),
        "files": files,
    }


def _show(tables: SweepTables, outcome: SweepOutcome | None, files: list[Path]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("point")
    table.add_column("runs", justify="right")
    for heading, _ in SHOWN.values():
        table.add_column(heading, justify="right")
    for point in tables.points.to_dict(orient="records"):
        cells = [_cell(point[name], point[f"{name}_sd"], spec) for name, (_, spec) in SHOWN.items()]
        table.add_row(str(point["label"]), f"{point['n_finished']}/{point['n_runs']}", *cells)
    stdout_console().print(table)
    if outcome is not None and outcome.elsewhere:
        note(f"{len(outcome.elsewhere)} runs are being trained by other processes; --table takes them up later.")
    for path in files:
        say(f"wrote {path}")


def _cell(mean: float | None, sd: float | None, spec: str) -> str:
    if mean is None or mean != mean:
        return "-"
    return f"{mean:{spec}}" + ("" if sd is None or sd != sd else f" ± {sd:{spec}}")


def _failure(folder: SweepFolder, outcome: SweepOutcome) -> CytosaeError:
    name, why = next(iter(outcome.failed.items()))
    tried = len(outcome.failed) + len(outcome.trained) + len(outcome.finished_before)
    return CytosaeError(
        f"{len(outcome.failed)} of {tried} runs failed; the first, {name}: {why}",
        f"All reasons are in {folder.path / 'failed'}; the same command tries them again.",
    )
