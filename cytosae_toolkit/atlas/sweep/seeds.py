"""Do the seeds of a point find the same latents? Compared pair by pair, each pair once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.card.stability import stability
from cytosae_toolkit.atlas.sweep.concepts import LatentStatistics
from cytosae_toolkit.atlas.sweep.folder import SweepFolder
from cytosae_toolkit.atlas.sweep.points import SweepRun
from cytosae_toolkit.files import read_json, write_json
from cytosae_toolkit.progress import Task


def pairs_of(runs: Sequence[SweepRun]) -> list[tuple[SweepRun, SweepRun]]:
    """Return the pairs of seeds of the same point, smaller seed first."""
    ordered = sorted(runs, key=lambda run: run.seed)
    return [(a, b) for a, b in combinations(ordered, 2) if a.point.name == b.point.name]


def compare_seeds(folder: SweepFolder, pairs: Sequence[tuple[SweepRun, SweepRun]], task: Task) -> list[dict[str, Any]]:
    """Return the agreement of the latents that fire, for each pair of finished runs; kept in the folder.

    Pairs of which one SAE has no latent that fires are left out. `mean_max_cosine` is the mean of both directions.

    Parameters
    ----------
    folder : SweepFolder
        The sweep.
    pairs : sequence of (SweepRun, SweepRun)
        From `pairs_of`.
    task : Task
        Advanced by one for each pair.
    """
    found = []
    for first, second in pairs:
        result = _compare(folder, first, second)
        if result["n_first"] and result["n_second"]:
            found.append(result)
        task.advance()
    return found


def _compare(folder: SweepFolder, first: SweepRun, second: SweepRun) -> dict[str, Any]:
    path = folder.path / "stability" / f"{first.name}-{second.seed}.json"
    if path.is_file():
        kept: dict[str, Any] = read_json(path)
        return kept
    a, b = _live_rows(folder, first), _live_rows(folder, second)
    result: dict[str, Any] = {"first": first.name, "second": second.name, "n_first": len(a), "n_second": len(b)}
    if len(a) and len(b):
        agreement = asdict(stability(a, b))
        there, back = agreement.pop("mean_max_cosine"), agreement.pop("mean_max_cosine_back")
        result |= agreement | {"mean_max_cosine": (there + back) / 2}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    return result


def _live_rows(folder: SweepFolder, run: SweepRun) -> NDArray[np.floating[Any]]:
    """Return the decoder rows, float32 [n_live, d_model], of the latents that fire on the images."""
    live = LatentStatistics.load(folder.statistics_path(run)).live
    rows: NDArray[np.floating[Any]] = folder.opened(run).sae.decoder_directions.detach().numpy()[live]
    return rows
