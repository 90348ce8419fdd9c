"""Share work over as many threads as PyTorch uses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
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

    The calling thread does the first part itself. The function must not call `in_threads`.
    """
    first, *others = shares(n)
    waiting = [_pool().submit(function, *part) for part in others]
    return [function(*first), *(one.result() for one in waiting)]


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="cytosae-kernels")
