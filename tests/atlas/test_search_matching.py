from __future__ import annotations

import pandas as pd
import pytest

from cytosae_toolkit.atlas.query import QueryError
from cytosae_toolkit.atlas.searching import search
from cytosae_toolkit.errors import CytosaeError

from .latent_table import NAN, found, latent_table


@pytest.fixture
def latents() -> pd.DataFrame:
    return latent_table()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2, 3, 5, 6]),
        ("granules", [1, 3, 2, 0]),
        ("GRANULES pink", [3, 0]),
        ('"pink granules"', [0]),
        ("granules -pink", [1, 2]),
        ("granules OR blast", [1, 3, 2, 0]),
        ("label:eosinophil", [0, 3]),
        ("label:EOSIN mean>0.3", [0]),
        ("label=blast", [1, 2]),
        ('label:"band neutrophil"', []),
        ('best:"band neutrophil"', [1]),
        ("label!=blast", [0, 3, 5, 6]),
        ("best_label:basophil|band", [1]),
        ("best=blast", [2, 3]),
        ("best=blast precision>0.5", [3]),
        ("label:blast best:blast", [2]),
        ("band", []),
        ("entropy<1", [0, 3]),
        ("entropy>=0.7", [2, 3]),
        ("label_entropy=0.7", [3]),
        ("entropy!=0.7", [0, 2]),
        ("NOT entropy!=0.7", [1, 3, 5, 6]),
        ("n>=20 n<90", [2, 3]),
        ("n=20|30", [2, 3]),
        ("log10mean>-0.5", [0, 1]),
        ("log10mean<-0.6", [3]),
        ("latent<2", [0, 1]),
        ("named:yes", [1, 2, 3]),
        ("named:no", [0, 5, 6]),
        ("verdict:concept", [1, 3]),
        ("verdict:none", [0, 5, 6]),
        ("name:coarse", [2]),
        ("note:auer", []),
        ("#4", [4]),
        ("#4,7", [4, 7]),
        ("#4 mean>1", []),
        ("4", [4]),
        ("1 OR 4", [1, 4]),
        ("4 mean>1", []),
        ("-3 granules", [1, 2, 0]),
        ("99999999999999999999", []),
        ("flag:colour", [7]),
        ("flag:colour|few-cells", [4, 7]),
        ("flag:few-cells mean>1", []),
        ("flag:any", [4, 7]),
        ("flag:none granules", [1, 3, 2, 0]),
        ("-flag:colour label:bas", [4]),
        ("flag!=colour label:blast", [1, 2]),
        ("flag_colour:yes", [7]),
        ("nothing of the kind", []),
    ],
)
def test_what_queries_find(latents, query, expected):
    assert found(latents, query) == expected


@pytest.mark.parametrize(
    ("query", "position", "message"),
    [
        ("granules entrpy<1", 9, "'entrpy' is no field.*Did you mean entropy"),
        ("lable:blast", 0, "Did you mean label"),
        ("entropy:1", 0, "entropy is a number"),
        ("entropy<low", 8, "'low', which is no number"),
        ("entropy<nan", 8, "'nan', which is no number"),
        ("entropy<1_0", 8, "no number"),
        ("entropy<1e999", 8, "no number"),
        ("mean>__import__('os')", 5, "no number"),
        ("label<blast", 0, "label cannot be compared by <"),
        ("named:maybe", 6, "neither yes nor no"),
        ("named>yes", 0, "named cannot be compared by >"),
        ("flag:color|shape", 5, "'shape' is no flag"),
        ("verdict:good", 8, "'good' is no verdict"),
        ("set:mll23", 4, "no image set 'mll23'"),
    ],
)
def test_errors_name_position_and_meaning(latents, query, position, message):
    with pytest.raises(QueryError, match=f"(?s){message}") as caught:
        search(latents, query)
    assert caught.value.position == position


def test_a_latent_that_does_not_exist_is_named(latents):
    with pytest.raises(CytosaeError, match=r"no latent 99 among these 8\. Choose 0 to 7"):
        search(latents, "granules OR #4,99")


def test_latents_active_on_an_image_set(latents):
    both = latents.assign(**{"mean_activation:acevedo": [0, 1, 0, 1, 0, 0, NAN, 0], "mean_activation:mll23": 1.0})
    assert found(both, "set:acevedo") == [1, 3]
    assert found(both, "set:MLL -set:acevedo") == [0, 2, 5, 6]
    with pytest.raises(QueryError, match="acevedo"):
        search(both, "set:acevdo")


def test_categories_and_nullable_columns_are_text_and_numbers(latents):
    changed = latents.astype({"dominant_label": "category", "n_images": "Int64", "name": "string"})
    changed.loc[3, "n_images"] = pd.NA
    changed.loc[3, "dominant_label"] = None
    assert found(changed, "label:eosinophil") == [0]
    assert found(changed, "n>=20 granules") == [1, 2]
