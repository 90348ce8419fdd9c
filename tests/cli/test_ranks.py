from __future__ import annotations

import warnings
from contextlib import contextmanager

import pytest
import typer

from cytosae_toolkit.cli import ranks as cli_ranks
from cytosae_toolkit.cli.ranks import refuse_two_splits, together
from cytosae_toolkit.distributed import ALONE, Place, Ranks
from cytosae_toolkit.errors import CytosaeError


class Pair(Ranks):
    """One of two processes, which is or is not the first to fail."""

    def __init__(self, rank, first_to_fail):
        super().__init__(Place(rank, 2, rank, 2), "cpu")
        self.first_to_fail = first_to_fail

    def speaks_of_failure(self):
        return self.first_to_fail


@pytest.fixture
def pair(monkeypatch):
    """Return a function that makes the commands of this test one of two processes."""

    def use(rank, first_to_fail):
        @contextmanager
        def opened(device):
            yield Pair(rank, first_to_fail)

        monkeypatch.setattr("cytosae_toolkit.distributed.open_ranks", opened)
        monkeypatch.setattr(cli_ranks, "HEAD_START", 0.0)

    return use


@pytest.mark.parametrize(
    ("error", "code"), [(CytosaeError("no"), 2), (ValueError("no"), 1), (KeyboardInterrupt("no"), 130)], ids=repr
)
def test_whoever_fails_first_speaks_and_the_others_end_alike(pair, error, code):
    pair(0, first_to_fail=True)
    with pytest.raises(type(error), match="no"), together("cpu"):
        raise error
    pair(0, first_to_fail=False)
    with pytest.raises(typer.Exit) as ended, together("cpu"):
        raise error
    assert ended.value.exit_code == code


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_process_warns(pair, rank):
    pair(rank, first_to_fail=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with together("cpu"):
            warnings.warn("half of it is missing", stacklevel=1)
    assert len(caught) == (1 if rank == 0 else 0)


def test_work_is_split_once():
    refuse_two_splits(ALONE, 4)
    refuse_two_splits(Pair(0, True), 1)
    with pytest.raises(CytosaeError, match="--shard and the 2 processes of torchrun both split the work"):
        refuse_two_splits(Pair(0, True), 4)
