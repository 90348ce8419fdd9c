"""The default aggregators as users reach them."""

from __future__ import annotations

from typing import Any

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.plugins import create_aggregator


@pytest.mark.parametrize("name", ["count", "max", "mean"])
def test_they_are_created_by_name(name: str) -> None:
    aggregator: Any = create_aggregator(name)
    assert aggregator.plugin["name"] == name


def test_the_published_threshold_is_the_default() -> None:
    aggregator: Any = create_aggregator("count")
    assert aggregator.threshold == pytest.approx(0.2)
    assert create_aggregator("count", threshold=0.5).threshold == 0.5  # type: ignore[attr-defined]


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(CytosaeError, match="greater than or equal to 0"):
        create_aggregator("count", threshold=-1)
