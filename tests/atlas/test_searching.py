from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.query import QueryError
from cytosae_toolkit.atlas.search_fields import ALIASES, Fields
from cytosae_toolkit.atlas.searching import find, search
from cytosae_toolkit.errors import CytosaeError

NAN = float("nan")


@pytest.fixture
def latents() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "mean_activation": [0.5, 0.4, 0.3, 0.2, 0.1, 0.0, NAN, 0.05],
            "frequency": [0.1, 0.9, 0.2, 0.3, 0.4, 0.0, 0.0, 0.6],
            "label_entropy": [0.2, NAN, 2.0, 0.7, 1.0, NAN, NAN, 0.1],
            "n_images": [5, 90, 20, 30, 40, 0, 0, 60],
            "dominant_label": ["eosinophil", "blast", "blast", "Eosinophil", "basophil", "", "", "blast"],
            "best_label": ["eosinophil", "band neutrophil", "blast", "blast", "basophil", "", "", "blast"],
            "best_precision": [0.9, 0.3, 0.4, 0.6, 0.8, NAN, NAN, 0.9],
            "name": ["", "granules", "coarse granules", "granules, pink", "", "", "", ""],
            "note": ["pink granules", "", "", "", "Auer rods?", "", "", "granules"],
            "verdict": ["", "concept", "unclear", "concept", "mixed", "", "", "artefact"],
            "flag_colour": [False] * 7 + [True],
            "flag_position": [False] * 8,
            "flag_set": [False] * 8,
            "flag_few_cells": [False, False, False, False, True, False, False, False],
        }
    )
    return frame.rename_axis("latent")


def found(latents: pd.DataFrame, query: str, **options: object) -> list[int]:
    return search(latents, query, **options).index.tolist()


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


def test_a_flagged_latent_is_hidden_until_it_has_a_name(latents):
    assert found(latents, "label:bas") == []
    latents.loc[4, "name"] = "Auer rods"
    assert found(latents, "label:bas") == [4]


def test_a_number_finds_its_latent_first_and_names_and_notes_that_hold_it(latents):
    latents.loc[[0, 2], ["name", "note"]] = [["type 7", ""], ["7", "see 17"]]
    assert found(latents, "7") == [7, 2, 0]
    assert found(latents, "17") == [2]
    assert found(latents, "type 7") == [0]
    assert search(latents, "7").attrs["n_hidden"] == 0


def test_hidden_latents_are_counted(latents):
    result = search(latents, "granules", limit=2)
    assert result.index.tolist() == [1, 3]
    assert result.attrs == {"n_matches": 4, "n_hidden": 1, "hint": ""}
    assert found(latents, "granules", hidden=True) == [1, 3, 2, 0, 7]
    assert search(latents, "granules", hidden=True).attrs == {"n_matches": 5, "n_hidden": 0, "hint": ""}
    assert latents.attrs == {}


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


def test_an_unknown_column_to_sort_by_is_named(latents):
    with pytest.raises(CytosaeError, match="Did you mean frequency"):
        search(latents, "", sort="frequenzy")


def test_atlases_without_labels_or_names(latents):
    bare = latents[["mean_activation", "frequency"]]
    assert found(bare, "frequency>0.25") == [1, 3, 4, 7]
    assert found(bare, "granules") == []
    assert found(bare, "named:no", limit=2) == [0, 1]
    with pytest.raises(QueryError, match="have no labels"):
        search(bare, "label:blast")


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


@pytest.mark.parametrize("alias", sorted(set(ALIASES) - {"latent", "log10mean"}))
def test_every_short_name_reads_its_column(alias):
    frame = pd.DataFrame({ALIASES[alias]: [1.0, 2.0, NAN]})
    assert found(frame, f"{alias}>1") == [1]
    assert found(frame, "", sort=alias)[-1] == 2


def big_table(n: int = 49_152) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    numbers = {column: rng.random(n) for column in set(ALIASES.values()) - {"latent", "log10mean"}}
    labels = np.array([f"class {i}" for i in range(20)], dtype=object)
    names = np.full(n, "", dtype=object)
    names[rng.choice(n, 2000, replace=False)] = [f"concept {i % 700}" for i in range(2000)]
    texts = {"dominant_label": labels[rng.integers(0, 20, n)], "best_label": labels[rng.integers(0, 20, n)]}
    flags = {f"flag_{name}": rng.random(n) < 0.1 for name in ("colour", "position", "set", "few_cells")}
    return pd.DataFrame({**numbers, **texts, "name": names, "note": "", "verdict": "", **flags})


def test_49152_latents_are_searched_quickly():
    table, slowest = big_table(), 0.0
    for query in ("concept 12", "label:class entropy<0.5 mean>1e-3 -flag:colour", "named:yes OR #1234", ""):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            search(table, query)
            times.append(time.perf_counter() - start)
        slowest = max(slowest, min(times))
    assert slowest < 0.2, f"{slowest:.3f} s"  # 50 ms on a quiet machine; tests share theirs


def test_find_tells_rows_and_keeps_what_it_read(latents: pd.DataFrame) -> None:
    fields = Fields(latents)
    for query in ("granules", "label:blast", "", "zzz"):
        found, table = find(fields, query), search(latents, query, limit=None)
        assert fields.numbers[found.rows].tolist() == table.index.tolist()
        assert (found.n_hidden, found.hint) == (table.attrs["n_hidden"], table.attrs["hint"])
