"""Threads give results in order, lazily, and pass errors on."""

from __future__ import annotations

import itertools
import time

import pytest

from cytosae_toolkit.images import map_threads


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
