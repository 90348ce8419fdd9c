from __future__ import annotations

import pandas as pd
import pytest

from cytosae_toolkit.atlas.search_fields import ALIASES
from cytosae_toolkit.atlas.searching import search
from cytosae_toolkit.errors import CytosaeError

from .latent_table import NAN, found, latent_table


@pytest.fixture
def latents() -> pd.DataFrame:
    return latent_table()


@pytest.mark.parametrize(
    ("sort", "descending", "expected"),
    [
        ("entropy", None, [0, 3, 2, 1, 5, 6]),
        ("entropy", True, [2, 3, 0, 1, 5, 6]),
        ("mean", None, [0, 1, 2, 3, 5, 6]),
        ("mean_activation", False, [5, 3, 2, 1, 0, 6]),
        ("log10mean", False, [3, 2, 1, 0, 5, 6]),
        ("frequency", None, [1, 3, 2, 0, 5, 6]),
        ("label", None, [1, 2, 0, 3, 5, 6]),
        ("label", True, [0, 3, 1, 2, 5, 6]),
        ("latent", None, [0, 1, 2, 3, 5, 6]),
        ("latent", True, [6, 5, 3, 2, 1, 0]),
        ("name", None, [2, 1, 3, 0, 5, 6]),
    ],
)
def test_undefined_values_come_last_in_any_order(latents, sort, descending, expected):
    assert found(latents, "", sort=sort, descending=descending) == expected


def test_an_unknown_column_to_sort_by_is_named(latents):
    with pytest.raises(CytosaeError, match="Did you mean frequency"):
        search(latents, "", sort="frequenzy")


@pytest.mark.parametrize("alias", sorted(set(ALIASES) - {"latent", "log10mean"}))
def test_every_short_name_reads_its_column(alias):
    frame = pd.DataFrame({ALIASES[alias]: [1.0, 2.0, NAN]})
    assert found(frame, f"{alias}>1") == [1]
    assert found(frame, "", sort=alias)[-1] == 2
