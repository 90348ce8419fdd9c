from __future__ import annotations

import sys

import pytest

from cytosae_toolkit import memory
from cytosae_toolkit.memory import release_freed


@pytest.fixture(autouse=True)
def _look_again():
    memory._malloc_trim.cache_clear()
    yield
    memory._malloc_trim.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give memory back themselves")
def test_what_was_freed_in_pieces_goes_back():
    import psutil

    process, pieces = psutil.Process(), [bytes(50_000) for _ in range(2000)]
    last = bytearray(50_000)  # keeps the heap from shrinking at its end
    full = process.memory_info().rss
    del pieces
    release_freed()
    assert full - process.memory_info().rss > 50_000_000
    assert last


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    release_freed()
