"""Share work over as many threads as PyTorch uses."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

import torch

T = TypeVar("T")


def cut(n: int, parts: int) -> list[tuple[int, int]]:
    """Return the bounds of about equal parts of ``range(n)``."""
    return list(pairwise(n * i // parts for i in range(parts + 1)))


def shares(n: int) -> list[tuple[int, int]]:
    """Return the bounds of as many about equal parts of ``range(n)`` as PyTorch uses threads, at most `n`."""
    return cut(n, max(1, min(torch.get_num_threads(), n)))


def in_threads(function: Callable[[int, int], T], n: int) -> list[T]:
    """Return what a function returns for each part of ``range(n)``, computed at once; it gets the bounds.

    Where there are several parts, each has a thread of its own, in which PyTorch's operations use one thread and
    gradients are recorded unless the function forbids it. The function must not call `in_threads`.
    """
    parts = shares(n)
    if len(parts) == 1:
        return [function(*parts[0])]
    pool = _pool(len(parts))
    running = [pool.submit(function, *part) for part in parts]
    wait(running)
    return [part.result() for part in running]


@cache
def _pool(n: int) -> ThreadPoolExecutor:
    """Start threads that stay and in which PyTorch uses one thread; what it uses in other threads stays too."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(n, "cytosae-kernels", initializer=_use_one)
    started = Barrier(n)
    list(pool.map(lambda _: started.wait(), range(n)))
    torch.set_num_threads(before)
    return pool


def _use_one() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # the first question sets a thread to the number that holds for all; later ones do not


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
