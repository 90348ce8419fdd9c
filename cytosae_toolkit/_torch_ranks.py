"""`Ranks` by `torch.distributed`; only `cytosae_toolkit.distributed.open_ranks` imports this."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from cytosae_toolkit.devices import resolve_device
from cytosae_toolkit.distributed import Place, RankLost, Ranks
from cytosae_toolkit.errors import CytosaeError, is_out_of_memory

STARTING = timedelta(minutes=5)
"""How long processes wait for the others to start."""
WORKING = timedelta(days=7)
"""How long they wait for work that takes longer elsewhere; lost processes are noticed at once."""
_COUNT = count()
"""Numbers the meetings of a process, which may come one after another."""


class TorchRanks(Ranks):
    """Processes joined by `torch.distributed`; see `open_ranks`.

    Parameters
    ----------
    place, device
        As in `Ranks`.
    store : torch.distributed.Store
        Which all processes reach.
    """

    def __init__(self, place: Place, device: str, store: Store) -> None:
        super().__init__(place, device)
        self._store = store

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes."""
        return self._reduce(tensor, "SUM")

    def mean_(self, tensor: Tensor, weight: float) -> Tensor:
        """Replace a tensor by its mean over all processes, whose weights add up to 1."""
        return self.sum_(tensor.mul_(weight))

    def min_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its element-wise minimum over all processes."""
        return self._reduce(tensor, "MIN")

    def broadcast_(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by that of the first process."""
        with _meeting(), _dense(tensor) as dense:
            dist.broadcast(dense, 0)
        return tensor

    def broadcast_object(self, value: Any) -> Any:
        """Return the first process's value, JSON-compatible."""
        text = json.dumps(value).encode() if self.first else b""
        length = self.broadcast_(torch.tensor([len(text)]))
        data = (
            torch.tensor(list(text), dtype=torch.uint8) if self.first else torch.empty(int(length), dtype=torch.uint8)
        )
        return json.loads(self.broadcast_(data).numpy().tobytes())

    def total(self, number: int) -> int:
        """Return the sum of a number over all processes."""
        return int(self.sum_(torch.tensor([number])))

    def any(self, flag: bool) -> bool:
        """Return whether a flag is set in any process."""
        return self.total(int(flag)) > 0

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.total(0)

    def speaks_of_failure(self) -> bool:
        """Return whether this process is the first to fail, so that a failure is told once."""
        try:
            return bool(self._store.add("failures", 1) == 1)
        except RuntimeError:  # whoever kept the store is gone
            return True

    def _reduce(self, tensor: Tensor, operation: str) -> Tensor:
        with _meeting(), _dense(tensor) as dense:
            dist.all_reduce(dense, getattr(dist.ReduceOp, operation))
        return tensor


@contextmanager
def _meeting() -> Iterator[None]:
    """Turn the breakdown of a connection into `RankLost`."""
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error) or "CUDA error" in str(error):
            raise
        raise RankLost from error


@contextmanager
def _dense(tensor: Tensor) -> Iterator[Tensor]:
    """Yield a contiguous tensor of the same memory, or a copy that is copied back; encoders are stored transposed."""
    if tensor.is_contiguous() or (tensor.ndim == 2 and tensor.T.is_contiguous()):
        yield tensor if tensor.is_contiguous() else tensor.T
        return
    copy = tensor.contiguous()
    yield copy
    tensor.copy_(copy)


def join(place: Place, device: str) -> Ranks:
    """Meet the other processes.

    Raises
    ------
    CytosaeError
        If they do not come.
    """
    cuda = device.startswith("cuda")
    if cuda:
        torch.cuda.set_device(device)
    try:
        store, _, _ = next(rendezvous("env://", timeout=STARTING))
        store = PrefixStore(f"cytosae-{next(_COUNT)}", store)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo", store=store,
            rank=place.rank, world_size=place.size, timeout=WORKING,
        )  # fmt: skip
    except (RuntimeError, OSError) as error:
        raise CytosaeError(
            f"Process {place.rank} of {place.size} cannot meet the others at {os.environ['MASTER_ADDR']}:"
            f"{os.environ['MASTER_PORT']}: {' '.join(str(error).split())[:200]}.",
            "Check that all were started and reach each other.",
        ) from error
    return TorchRanks(place, device, store)


def leave() -> None:
    """Part from the others, all of whom have finished."""
    with suppress(RuntimeError):
        dist.destroy_process_group()


def own_device(device: str, place: Place) -> str:
    """Return the device of one process among several: GPUs are shared out, one each.

    Raises
    ------
    CytosaeError
        If there are more processes than GPUs on this machine, or the device cannot be shared out.
    """
    if device == "auto" and not torch.cuda.is_available():
        return "cpu"
    if device not in ("auto", "cuda"):
        if device != "cpu":
            raise CytosaeError(f"{place.size} processes cannot share the device {device!r}.", "Use cuda or cpu.")
        return device
    found = torch.cuda.device_count() if resolve_device("cuda") else 0
    if place.local_size > found:
        raise CytosaeError(
            f"{place.local_size} processes on this machine need as many GPUs; there {'is' if found == 1 else 'are'} "
            f"{found}.",
            "Start fewer with --nproc-per-node, or use --device cpu.",
        )
    return f"cuda:{place.local_rank}"
