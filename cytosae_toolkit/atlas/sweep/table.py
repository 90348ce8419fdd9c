"""The tables of a sweep: a row per run, and a row per point with mean and standard deviation over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.atlas.sweep.concepts import LatentStatistics
from cytosae_toolkit.atlas.sweep.folder import SweepFolder
from cytosae_toolkit.atlas.sweep.points import Point, SweepRun
from cytosae_toolkit.atlas.sweep.seeds import compare_seeds, pairs_of
from cytosae_toolkit.atlas.thresholds import THRESHOLDS, count_above
from cytosae_toolkit.files import write_text
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    import pandas as pd

EVALUATED = ("fvu", "fvu_robust", "pca_fvu_robust", "l0", "l0_share", "shrinkage")
"""Columns from `evaluation.json`, over the held-out images; over training images where none are held out."""
CONCEPTS = {limit: f"concepts_above_1e{limit}" for limit in THRESHOLDS}
"""Columns with the number of latents above thresholds of log10 mean activation, over all images."""
METRICS = (*EVALUATED, "dead_share_window", "never_fired_share", *CONCEPTS.values())
STABILITY = {"mean_max_cosine": "stability_mean_max_cosine", "matched_share": "stability_matched_share"}


@dataclass(frozen=True)
class SweepTables:
    """The tables.

    Parameters
    ----------
    runs : pandas.DataFrame
        `run`, `point`, the fields that the sweep changes, `seed`, `state`, `d_sae`, `n_measured`, `measured_on`,
        the metrics, `error`.
    points : pandas.DataFrame
        `point`, `label`, the fields, `n_runs`, `n_finished`, `n_failed`, then for each metric its mean and, named
        ``…_sd``, its standard deviation over seeds (n - 1); `n_pairs`, stability likewise over pairs of seeds,
        `stability_matching`.
    """

    runs: pd.DataFrame
    points: pd.DataFrame


def make_tables(folder: SweepFolder, runs: Sequence[SweepRun], *, progress: Progress = SILENT) -> SweepTables:
    """Make the tables of what is finished."""
    import pandas as pd

    pairs = pairs_of([run for run in runs if folder.is_finished(run)])
    with progress.task("Comparing seeds", len(pairs), "pairs") as task:
        agreements = {
            point.name: compare_seeds(folder, [p for p in pairs if p[0].point.name == point.name], task)
            for point in _points(runs)
        }
    frame = pd.DataFrame([run_row(folder, run) for run in runs])
    rows = [_point_row(point, frame[frame["point"] == point.name], agreements[point.name]) for point in _points(runs)]
    return SweepTables(frame, pd.DataFrame(rows))


def write_tables(folder: SweepFolder, runs: Sequence[SweepRun], *, progress: Progress = SILENT) -> SweepTables:
    """Write ``runs.csv`` and ``sweep.csv`` of what is finished, and return them; one process at a time."""
    with folder.turn("tables", lambda: progress.message("Another process writes the tables; waiting.")):
        tables = make_tables(folder, runs, progress=progress)
        for frame, path in zip((tables.runs, tables.points), table_paths(folder), strict=True):
            write_text(path, frame.to_csv(index=False))
    return tables


def table_paths(folder: SweepFolder) -> tuple[Path, Path]:
    """Return where the tables of runs and of points lie."""
    return folder.path / "runs.csv", folder.path / "sweep.csv"


def run_row(folder: SweepFolder, run: SweepRun) -> dict[str, Any]:
    """Return the row of a run."""
    state = folder.state(run)
    metrics = _metrics(folder, run) if state == "finished" else {}
    return {
        "run": run.name,
        "point": run.point.name,
        **run.point.fields,
        "seed": run.seed,
        "state": state,
        **{name: metrics.get(name) for name in ("d_sae", "n_measured", "measured_on", *METRICS)},
        "error": folder.failure(run),
    }


def _metrics(folder: SweepFolder, run: SweepRun) -> dict[str, Any]:
    opened, statistics = folder.opened(run), LatentStatistics.load(folder.statistics_path(run))
    evaluation = opened.evaluation
    held_out = evaluation["held_out"] is not None
    measured = evaluation["held_out" if held_out else "train"]
    counts = count_above(statistics.mean_activation)
    return {
        "d_sae": opened.record["d_sae"],
        "n_measured": measured["n_images"],
        "measured_on": "held-out" if held_out else "train",
        **{name: measured[name] for name in EVALUATED},
        "dead_share_window": evaluation["dead_share_window"],
        "never_fired_share": float(np.mean(statistics.frequency == 0)),
        **{column: counts[limit] for limit, column in CONCEPTS.items()},
    }


def _points(runs: Sequence[SweepRun]) -> list[Point]:
    return list({run.point.name: run.point for run in runs}.values())


def _point_row(point: Point, runs: pd.DataFrame, agreements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "point": point.name,
        "label": point.label,
        **point.fields,
        "n_runs": len(runs),
        "n_finished": int((runs["state"] == "finished").sum()),
        "n_failed": int((runs["state"] == "failed").sum()),
    }
    for name in METRICS:
        row |= _mean_sd(name, runs[name].dropna())
    row["n_pairs"] = len(agreements)
    for name, column in STABILITY.items():
        row |= _mean_sd(column, [agreement[name] for agreement in agreements])
    return row | {"stability_matching": ", ".join(_unique(agreement["matching"] for agreement in agreements)) or None}


def _mean_sd(name: str, values: Any) -> dict[str, float | None]:
    numbers = np.asarray(values, dtype=np.float64)
    return {
        name: float(numbers.mean()) if len(numbers) else None,
        f"{name}_sd": float(numbers.std(ddof=1)) if len(numbers) > 1 else None,
    }


def _unique(values: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(values))
