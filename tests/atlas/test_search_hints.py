from __future__ import annotations

import pandas as pd
import pytest

from cytosae_toolkit.atlas.searching import search


@pytest.fixture
def latents() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "mean_activation": [1.0, 2.0, 3.0],
            "dominant_label": ["Eosinophil", "band neutrophil", ""],
            "best_label": ["monocyte", "monocyte", ""],
            "name": ["coarse granules", "Auer rods", ""],
            "flag_colour": [False, False, True],
        }
    ).rename_axis("latent")


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("label:eosinofil", "No label contains 'eosinofil'. Did you mean Eosinophil?"),
        ("best:monozyte", "No best contains 'monozyte'. Did you mean monocyte?"),
        ("label:blast", "No label contains 'blast'. There are Eosinophil, band neutrophil."),
        ("name:granuls", "No name contains 'granuls'. Did you mean coarse granules?"),
        ("granuls", "No name, note or label contains 'granuls'. Did you mean granules?"),
        ("mean>1 (eosinofil OR nothing)", "No name, note or label contains 'eosinofil'. Did you mean Eosinophil?"),
        ("zzzz", "No name, note or label contains 'zzzz'."),
        ("99", "There is no latent 99, and no name, note or label contains it."),
        ("granules rods", "Each condition matches some latents, but none matches all of them."),
        ("mean>9", ""),
        ("verdict:concept", ""),
    ],
)
def test_what_may_have_been_meant(latents, query, hint):
    found = search(latents.assign(verdict=""), query)
    assert found.empty
    assert found.attrs["hint"] == hint


def test_nothing_is_said_where_latents_match_or_are_only_hidden(latents):
    for query in ("label:eosinophil", "mean>2", ""):
        assert search(latents, query).attrs["hint"] == ""


def test_many_values_are_not_all_named(latents):
    many = pd.DataFrame({"dominant_label": [f"class {i:02}" for i in range(30)]}).rename_axis("latent")
    assert search(many, "label:zzz").attrs["hint"].endswith("class 06, class 07 and more.")
