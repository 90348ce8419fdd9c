from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from cytosae_toolkit.training.threads import in_threads, shares


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_shares_cover_everything_once(three_threads):
    assert shares(10) == [(0, 3), (3, 6), (6, 10)]
    assert shares(2) == [(0, 1), (1, 2)]
    assert shares(0) == [(0, 0)]


def test_results_come_in_order(three_threads):
    assert in_threads(lambda first, stop: list(range(first, stop)), 5) == [[0], [1, 2], [3, 4]]


def test_an_error_in_a_thread_is_raised(three_threads):
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda first, stop: 1 // first, 5)


def test_each_part_has_one_thread_of_pytorch_and_the_caller_keeps_its_own(three_threads):
    assert in_threads(lambda first, stop: torch.get_num_threads(), 9) == [1, 1, 1]
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as another:
        assert another.submit(torch.get_num_threads).result() == 3


def test_all_parts_end_before_an_error_is_raised(three_threads):
    ended = []

    def part(first, stop):
        if not first:
            raise ValueError
        time.sleep(0.05)
        ended.append(first)

    with pytest.raises(ValueError):
        in_threads(part, 3)
    assert sorted(ended) == [1, 2]
