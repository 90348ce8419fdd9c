from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import mannwhitneyu

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.comparing import CompareOptions, compare
from cytosae_toolkit.cohort.comparison import RANKS
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.compared import barcodes


@pytest.fixture(scope="module")
def found():
    return compare(open_cohort(barcodes()), "A", "B", CompareOptions(rank="difference", bootstraps=200))


def test_numbers_are_those_of_the_dense_barcodes(found):
    x = barcodes().X.toarray()
    a, b = x[:12], x[12:22]
    table = found.table.set_index("latent")
    for latent in (0, 4, 17):
        row = table.loc[latent]
        assert row["mean_a"] == pytest.approx(a[:, latent].mean())
        assert row["mean_b"] == pytest.approx(b[:, latent].mean())
        assert row["median_a"] == pytest.approx(np.median(a[:, latent]))
        assert row["occurs_b"] == pytest.approx((b[:, latent] > 0).mean())
        assert row["difference_low"] < row["difference"] < row["difference_high"]
        expected = mannwhitneyu(a[:, latent], b[:, latent])
        assert row["U"] == expected.statistic
        wins = (a[:, latent][:, None] > b[:, latent]).mean() + 0.5 * (a[:, latent][:, None] == b[:, latent]).mean()
        assert row["superiority"] == pytest.approx(wins)
        assert row["rank_biserial"] == pytest.approx(2 * wins - 1)
    assert (table["discovery"] == (table["q"] <= 0.05)).all()


def test_planted_latents_are_found_and_the_silent_are_not_tested(found):
    assert found.top(found.a)["latent"].tolist()[:4] == [0, 1, 2, 3]
    assert found.top(found.b)["latent"].tolist()[:2] == [4, 5]
    discovered = set(found.table["latent"][found.table["discovery"]])
    assert set(range(6)) <= discovered
    assert len(discovered) <= 7  # a false discovery rate of 5 % allows one now and then
    assert (found.tested.n_silent, len(found.table)) == (10, 30)
    assert found.table["difference"].is_monotonic_decreasing
    assert found.table.set_index("latent").loc[1, "name"] == "=rod 1"
    assert found.table.set_index("latent")["flag_colour"].sum() == 1


def test_latents_are_chosen_without_the_groups():
    cohort = open_cohort(barcodes(11, 11))
    shuffled = barcodes(11, 11)
    shuffled.obs["disease"] = np.array([*"AB" * 11, *"CCCC", np.nan], dtype=object)
    one, other = compare(cohort, "A", "B"), compare(open_cohort(shuffled), "A", "B")
    assert np.array_equal(one.tested.columns, other.tested.columns)
    assert set(one.table["latent"]) == set(other.table["latent"])


def test_swapped_groups_mirror_everything(found):
    other = compare(open_cohort(barcodes()), "B", "A").table.set_index("latent").sort_index()
    one = found.table.set_index("latent").sort_index()
    assert np.allclose(one["difference"], -other["difference"])
    assert np.allclose(one["p"], other["p"])
    assert np.allclose(one["rank_biserial"], -other["rank_biserial"])


def test_blocks_change_nothing(found, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.cohort.comparing._LATENTS_AT_ONCE", 7)
    again = compare(open_cohort(barcodes()), "A", "B", CompareOptions(rank="difference", bootstraps=200))
    pd.testing.assert_frame_equal(found.table, again.table)


def test_where_group_and_set_coincide_there_are_no_p_values():
    cohort = open_cohort(barcodes(sets=["x"] * 12 + ["y"] * 15))
    found = compare(cohort, "A", "B")
    assert not found.has_p
    assert found.n_discoveries is None
    assert not {"p", "q", "exact", "discovery"} & set(found.table)
    assert "rank_biserial" in found.table
    assert any("coincide" in caveat and "no p-values are given" in caveat for caveat in found.caveats)
    forced = compare(cohort, "A", "B", CompareOptions(despite_confounding=True))
    assert forced.n_discoveries == (forced.table["q"] <= 0.05).sum() >= 6
    assert any("coincide" in caveat and "as asked" in caveat for caveat in forced.caveats)


def test_every_option_changes_something(found):
    def run(**options):
        made = compare(
            open_cohort(barcodes()), "A", "B", CompareOptions(**{"rank": "difference", "bootstraps": 200, **options})
        )
        return made.table, len(made.top(made.a)), made.n_discoveries

    base = run()
    pd.testing.assert_frame_equal(base[0], found.table)
    for options in ({"seed": 1}, {"bootstraps": 100}, {"min_mean": 1.5}, {"min_share": 0.8}):
        assert not base[0].equals(run(**options)[0]), options
    assert run(top=2)[1] == 2
    assert run(q=1e-9)[2] == 0
    adata = barcodes()
    adata.obs["other"] = ["A", "B"] * 13 + ["A"]
    assert compare(open_cohort(adata), "A", "B", CompareOptions(column="other")).n_discoveries == 0


def test_named_concepts_are_compared_too():
    found = compare(open_cohort(barcodes(by_name=True)), "A", "rest", CompareOptions(rank="difference"))
    assert "latent" not in found.table
    assert found.top(found.a)["name"].tolist()[:2] == ["concept 0", "concept 1"]


@pytest.mark.parametrize("sizes", [(12, 10), (5, 22)])
def test_shuffled_labels_give_hardly_any_discovery(sizes):
    adata, with_any = barcodes(*sizes, n_c=0), 0
    labels = adata.obs["disease"].to_numpy().copy()
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(sum(sizes))
        adata.obs["disease"] = np.append(labels[order], np.nan)
        with_any += compare(open_cohort(adata), "A", "B", CompareOptions(bootstraps=0)).n_discoveries > 0
    assert with_any <= 3


def test_constant_and_damaged_barcodes_are_refused():
    adata = barcodes()
    adata.X = np.ones(adata.shape)
    with pytest.raises(CytosaeError, match="The barcodes of all 22 patients are equal"):
        compare(open_cohort(adata), "A", "B")
    adata.X[3, 5] = np.nan
    with pytest.raises(CytosaeError, match="NaN"):
        compare(open_cohort(adata), "A", "B")


def test_effects_rank_what_is_rare_but_telling_before_what_is_abundant():
    adata = barcodes()
    groups = adata.obs["disease"].to_numpy()
    matrix = adata.X.toarray()
    matrix[:, 20] = np.where(groups == "A", 0.01, 0.0) + 0.001 * np.arange(len(groups)) * (groups == "A")
    matrix[:, 21] = np.where(groups == "A", 200, 100) + np.arange(len(groups))
    adata.X = sparse.csr_array(matrix)
    orders = {rank: compare(open_cohort(adata), "A", "B", CompareOptions(rank=rank, bootstraps=0)) for rank in RANKS}
    tops = {rank: found.top(found.a)["latent"].tolist() for rank, found in orders.items()}
    assert tops["effect"][0] == 20
    assert tops["difference"][0] == 21
    assert tops["difference"].index(20) > 3
    table = orders["effect"].table.set_index("latent")
    assert table.loc[20, ["rank_biserial", "contrast"]].tolist() == [1, 1]
    assert np.isclose(table.loc[21, "contrast"], (lambda a, b: (a - b) / (a + b))(*table.loc[21, ["mean_a", "mean_b"]]))


def test_an_unknown_ranking_is_named():
    with pytest.raises(CytosaeError, match="ranked by 'effects'. Did you mean effect"):
        CompareOptions(rank="effects")
