from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.atlas.query import QueryError
from cytosae_toolkit.atlas.search_fields import ALIASES, Fields
from cytosae_toolkit.atlas.searching import find, search

from .latent_table import found, latent_table


@pytest.fixture
def latents() -> pd.DataFrame:
    return latent_table()


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


def test_atlases_without_labels_or_names(latents):
    bare = latents[["mean_activation", "frequency"]]
    assert found(bare, "frequency>0.25") == [1, 3, 4, 7]
    assert found(bare, "granules") == []
    assert found(bare, "named:no", limit=2) == [0, 1]
    with pytest.raises(QueryError, match="have no labels"):
        search(bare, "label:blast")


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
