"""Ordered work in threads: decoding and hashing release the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with (done, total) after each item."""


def n_workers(workers: int | None) -> int:
    """Return `workers`, or for ``None`` the number of usable cores, at most 16."""
    if workers is not None:
        return max(1, workers)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, usable)


def map_threads(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int | None = None,
    ahead: int = 8,
) -> Iterator[Result]:
    """Yield ``function(item)`` in the order of `items`, computed in threads.

    At most ``ahead * workers`` results wait at a time, so memory stays flat however many items there are.
    An exception of `function` is raised where its result would have come.

    Parameters
    ----------
    function : callable
        Called once per item, in some thread.
    items : iterable
        What to work on.
    workers : int, optional
        Number of threads; by default the number of cores, at most 16.
    ahead : int
        How many items per worker may be started before their turn.
    """
    count = n_workers(workers)
    with ThreadPoolExecutor(count, thread_name_prefix="cytosae-images") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= ahead * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def one_ahead(items: Iterable[Item]) -> Generator[Item]:
    """Yield what an iterable yields; the next item is made in a thread while this one is worked on.

    An exception of the iterable is raised where its item would have come.
    """
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="cytosae-ahead") as pool:
        coming = pool.submit(_next_of, source)
        while found := coming.result():
            coming = pool.submit(_next_of, source)
            yield found[0]
            del found  # or it lives beside the one after the next


def _next_of(source: Iterator[Item]) -> tuple[Item] | None:
    for item in source:
        return (item,)
    return None
