"""Commands that `torchrun` may start several times: one process speaks for all."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from cytosae_toolkit.cli.common import debugging
from cytosae_toolkit.cli.handling import EXIT_INTERRUPTED, HEAD_START, explain
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.distributed import Ranks


@contextmanager
def together(device: str) -> Iterator[Ranks]:
    """Yield the processes that share a command; a failure that several meet, or cause in others, is told once.

    Parameters
    ----------
    device : str
        What the user gave as ``--device``; `Ranks.device` says what this process is to use.
    """
    from cytosae_toolkit.distributed import open_ranks

    with open_ranks(device) as ranks, warnings.catch_warnings():
        if not ranks.first:
            warnings.simplefilter("ignore")
        try:
            yield ranks
        except (Exception, KeyboardInterrupt) as error:
            if ranks.size == 1 or debugging() or hasattr(error, "exit_code") or ranks.speaks_of_failure():
                raise
            time.sleep(HEAD_START)
            raise typer.Exit(explain(error)[0] if isinstance(error, Exception) else EXIT_INTERRUPTED) from error


def refuse_two_splits(ranks: Ranks, n_shards: int) -> None:
    """Refuse to split work both by ``--shard`` and by torchrun.

    Raises
    ------
    CytosaeError
        If both would.
    """
    if ranks.size > 1 and n_shards > 1:
        raise CytosaeError(
            f"--shard and the {ranks.size} processes of torchrun both split the work.",
            "Leave out --shard, or start the shards without torchrun.",
        )
