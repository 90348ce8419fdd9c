"""Several processes that work on one thing, as `torchrun` starts them; a process alone pays nothing for it.

What `Ranks` offers are meeting points: all processes must come to the same ones in the same order. Whoever comes to
one whose others have ended gets a `RankLost` at once instead of waiting.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import Progress, Suffixed

if TYPE_CHECKING:
    from torch import Tensor

ADDRESS = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class RankLost(CytosaeError):
    """A process that shares the work has ended before its time."""

    def __init__(self) -> None:
        super().__init__(
            "Another process of this command ended unexpectedly, so all stop; what was complete is kept.",
            "Its own message, or torchrun's summary, says why.",
        )


@dataclass(frozen=True)
class Place:
    """Where a process stands among the others.

    Parameters
    ----------
    rank, size : int
        Number of the process, from 0, and of how many.
    local_rank, local_size : int
        The same among the processes of its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Place:
        """Read what `torchrun` says in environment variables; without WORLD_SIZE a process is alone.

        Raises
        ------
        CytosaeError
            If the variables are incomplete or contradict each other.
        """
        if not environment.get("WORLD_SIZE") or _number(environment, "WORLD_SIZE") == 1:
            return cls()
        missing = [name for name in ADDRESS if not environment.get(name)]
        if missing:
            raise CytosaeError(
                f"WORLD_SIZE={environment['WORLD_SIZE']} says that several processes work together, but "
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
                "Start them with torchrun, or unset WORLD_SIZE.",
            )
        rank, size = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
        local = {"LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(size)} | dict(environment)
        place = cls(rank, size, _number(local, "LOCAL_RANK"), _number(local, "LOCAL_WORLD_SIZE"))
        if rank >= size or place.local_rank >= place.local_size:
            raise CytosaeError(
                f"RANK={rank} is not one of the {size} processes of WORLD_SIZE, or LOCAL_RANK={place.local_rank} not "
                f"one of the {place.local_size} of LOCAL_WORLD_SIZE.",
                "Start them with torchrun.",
            )
        return place


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment[name]
    if not text.isdecimal():
        raise CytosaeError(f"{name}={text!r} in the environment is not a number.", "Start processes with torchrun.")
    return int(text)


class Ranks:
    """The processes that share a command's work; this class itself is a process alone, for which all is a no-op.

    Tensors are changed in place and returned; they must not need gradients.

    Parameters
    ----------
    place : Place
        Where this process stands.
    device : str
        Where it computes, as ``--device`` takes it.
    """

    def __init__(self, place: Place | None = None, device: str = "auto") -> None:
        self.place, self.device = place or Place(), device

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return self.place.rank

    @property
    def size(self) -> int:
        """Number of processes."""
        return self.place.size

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.place.rank == 0

    def own_part(self, progress: Progress) -> Progress:
        """Return progress that says whose part of the work it is."""
        return progress if self.size == 1 else Suffixed(progress, f" (process {self.rank + 1} of {self.size})")

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes."""
        return tensor

    def mean_(self, tensor: Tensor, weight: float) -> Tensor:
        """Replace a tensor by its mean over all processes, whose weights add up to 1."""
        return tensor

    def min_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its element-wise minimum over all processes."""
        return tensor

    def broadcast_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by that of the first process."""
        return tensor

    def broadcast_object(self, value: Any) -> Any:
        """Return the first process's value, JSON-compatible."""
        return value

    def total(self, number: int) -> int:
        """Return the sum of a number over all processes."""
        return number

    def any(self, flag: bool) -> bool:
        """Return whether a flag is set in any process."""
        return flag

    def barrier(self) -> None:
        """Wait until all processes are here."""

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Let the first process of each machine go first, such as where something is downloaded."""
        if self.place.local_rank:
            self.barrier()
        yield
        if not self.place.local_rank:
            self.barrier()

    def speaks_of_failure(self) -> bool:
        """Return whether this process is the first to fail, so that a failure is told once."""
        return True


ALONE = Ranks()


@contextmanager
def open_ranks(device: str = "auto") -> Iterator[Ranks]:
    """Join the processes that `torchrun` has started, by NCCL for tensors on GPUs and by Gloo for others.

    Parameters
    ----------
    device : str
        As ``--device``; with ``"auto"`` and ``"cuda"`` each process of a machine takes a GPU of its own.

    Yields
    ------
    Ranks
        A process alone where `torchrun` has not started it.

    Raises
    ------
    CytosaeError
        If the environment is incomplete, there are more processes than GPUs, or the others do not come.
    """
    place = Place.of(os.environ)
    if place.size == 1:
        yield Ranks(place, device)
        return
    from cytosae_toolkit._torch_ranks import join, leave, own_device

    yield join(place, own_device(device, place))
    leave()  # not after an exception: the others may have failed, or wait here
