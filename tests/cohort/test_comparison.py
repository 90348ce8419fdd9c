from __future__ import annotations

import json

import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.comparing import compare
from cytosae_toolkit.cohort.comparison import CompareOptions, TestPower
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.compared import barcodes


def caveats(n_a: int, n_b: int, **sets) -> list[str]:
    return compare(open_cohort(barcodes(n_a, n_b, **sets)), "A", "B").caveats


def test_small_groups_are_said_first():
    assert caveats(20, 20) == []
    (only,) = caveats(19, 20)
    assert only == "Small groups: A has 19 patients (fewer than 20); differences are uncertain."
    found = caveats(6, 7, sets=[*"xxxxxx", *"yyyyyyy", *"zzzz", "z"])
    assert found[0].startswith("Small groups: A has 6 and B has 7 patients")
    assert found[1].startswith("Group and image set coincide")


def test_sets_that_are_associated_are_said_with_numbers():
    (found,) = caveats(20, 20, sets=["x"] * 15 + ["y"] * 5 + ["x"] * 5 + ["y"] * 15 + ["z"] * 5)
    assert found.startswith("The groups come unevenly from the image sets (Fisher p = 0.0")
    assert "100% of the patients come from a set that both share" in found


def test_what_the_group_sizes_cannot_reach_is_said():
    found = caveats(3, 3)
    assert "nothing can be a discovery at q = 0.05" in found[-1]
    assert "The smallest p that these group sizes can reach is 0.1" in found[-1]
    assert "a single latent cannot be a discovery among" in caveats(5, 5)[-1]


@pytest.mark.parametrize(
    ("smallest", "n", "together"),
    [(1e-6, 100, 1), (0.0005, 100, 1), (0.001, 100, 2), (0.05, 100, 100), (0.1, 100, 200)],
)
def test_how_many_must_reach_the_smallest_p_together(smallest, n, together):
    power = TestPower.of(smallest, n, 0.05)
    assert power.together == together
    assert power.alone == 0.05 / n


def test_top_holds_only_latents_higher_in_the_group():
    found = compare(open_cohort(barcodes()), "A", "B", CompareOptions(rank="difference", top=1000))
    for group, sign in ((found.a, 1), (found.b, -1)):
        top = found.top(group)
        assert (sign * top["difference"] > 0).all()
        assert (sign * top["difference"]).is_monotonic_decreasing
        assert top["rank"].tolist() == list(range(1, len(top) + 1))
        assert set(top["higher_in"]) == {group.name}
        assert len(found.top(group, 2)) == 2
    assert len(found.top(found.a)) + len(found.top(found.b)) == len(found.table)


def test_the_record_is_plain_and_whole():
    found = compare(
        open_cohort(barcodes()), "A", "B", CompareOptions(rank="difference", bootstraps=0, top=3), command="compare it"
    )
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (record["format"], record["version"], record["command"]) == ("cytosae-comparison", 1, "compare it")
    assert record["groups"]["a"]["patients"] == [f"p{i}" for i in range(12)]
    assert record["groups"]["b"]["n_images"] == 100
    assert record["options"]["top"] == 3
    assert record["latents"] == {
        "n_tested": 30, "n_latents": 40, "n_silent": 10, "n_rare": 0, "n_weak": 0, "n_constant": 0, "min_patients": 2,
        "min_mean": 0.0,
    }  # fmt: skip
    assert record["tests"]["n_exact"] == 30
    assert record["tests"]["n_discoveries"] == found.n_discoveries >= 6
    assert [row["latent"] for row in record["top"]["a"]] == [0, 1, 2]
    assert record["top"]["a"][0]["difference_low"] is None
    assert record["image_sets"]["counts"] == {"one": {"A": 12, "B": 10}}
    apart = compare(open_cohort(barcodes(sets=["x"] * 12 + ["y"] * 15)), "A", "B").to_dict()
    assert apart["tests"] is None
    assert "p" not in apart["top"]["a"][0]


@pytest.mark.parametrize(
    "wrong", [{"q": 0}, {"q": 1.0}, {"top": 0}, {"bootstraps": -1}, {"min_share": 2}, {"seed": -1}]
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(CytosaeError, match="must"):
        CompareOptions(**wrong)
