"""Threads give results in order, lazily, and pass errors on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from threading import Event

import pytest

from cytosae_toolkit.images import map_threads
from cytosae_toolkit.images.parallel import one_ahead


def test_results_come_in_order() -> None:
    slow_first = map_threads(lambda i: (time.sleep(0.01 * (3 - i)), i)[1], range(3), workers=3)
    assert list(slow_first) == [0, 1, 2]


def test_work_does_not_run_far_ahead() -> None:
    started: list[int] = []
    results = map_threads(started.append, itertools.count(), workers=2, ahead=2)
    next(results)
    results.close()
    assert len(started) <= 4


def test_errors_arrive_in_their_turn() -> None:
    results = map_threads(lambda i: 1 // i, [1, 0], workers=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_next_item_is_made_meanwhile_and_no_more() -> None:
    made: list[int] = []
    second = Event()

    def items() -> Iterator[int]:
        for i in range(5):
            made.append(i)
            if i == 1:
                second.set()
            yield i

    coming = one_ahead(items())
    assert next(coming) == 0
    assert second.wait(5)
    coming.close()
    assert made == [0, 1]
    assert list(one_ahead(iter(range(4)))) == [0, 1, 2, 3]
    assert list(one_ahead([])) == []


def test_an_error_comes_after_the_items_before_it() -> None:
    coming = one_ahead(1 // i for i in (1, 0))
    assert next(coming) == 1
    with pytest.raises(ZeroDivisionError):
        next(coming)
