"""Run by two processes in `test_distributed`: every meeting point once, then a mistake that both make."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import typer

from cytosae_toolkit.cli.handling import failures_as_sentences
from cytosae_toolkit.cli.ranks import together
from cytosae_toolkit.distributed import Ranks
from cytosae_toolkit.errors import CytosaeError


def meet(ranks: Ranks) -> dict[str, Any]:
    """Return what the processes find together, in each of them the same but for its number."""
    mine = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]) * (ranks.rank + 1)
    transposed = mine.clone().T
    strided = torch.cat([mine, mine], dim=1)[:, ::2]
    return {
        "rank": ranks.rank,
        "sum": ranks.sum_(mine.clone()).tolist(),
        "sum of transposed": ranks.sum_(transposed).T.tolist(),
        "sum of strided": ranks.sum_(strided).tolist(),
        "mean": ranks.mean_(mine.clone(), [0.25, 0.75][ranks.rank]).tolist(),
        "min": ranks.min_(mine.clone()).tolist(),
        "first": ranks.broadcast_(mine.clone()).tolist(),
        "object": ranks.broadcast_object({"name": "Zelle é", "rank": ranks.rank}),
        "total": ranks.total(ranks.rank + 5),
        "any": [ranks.any(ranks.rank == 1), ranks.any(False)],
        "device": ranks.device,
    }


def main(folder: Path) -> None:
    """Meet twice; fail the second time."""
    with failures_as_sentences():
        with together("cpu") as ranks, ranks.in_turn():
            pass
        with together("cpu") as ranks:
            found = meet(ranks)
            (folder / f"rank-{ranks.rank}.json").write_text(json.dumps(found))
            ranks.barrier()
            raise CytosaeError("This cannot work.")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
