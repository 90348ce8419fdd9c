"""Where the cache lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from cytosae_toolkit.cache import cache_folder


def test_the_environment_moves_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYTOSAE_CACHE", "~/elsewhere")
    assert cache_folder() == Path.home() / "elsewhere"


@pytest.mark.parametrize("value", [None, "", "  "])
def test_otherwise_it_is_the_platforms_own(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("CYTOSAE_CACHE")
    if value is not None:
        monkeypatch.setenv("CYTOSAE_CACHE", value)
    assert cache_folder().name == "cytosae-toolkit"
    assert cache_folder().is_absolute()
