from __future__ import annotations

import re

import pytest

from cytosae_toolkit.atlas.sweep import SweepFile, expand, runs_of
from cytosae_toolkit.errors import CytosaeError


def points(*changes, preset=None, **base):
    return expand(SweepFile("s.yaml", "", preset, base, changes, (0,)))


def test_names_are_readable_unique_and_stay():
    changes = ({}, {"layer": -2}, {"layer": 1}, {"sae_options.l1_coefficient": 1e-3, "lr": 2e-4})
    first, again = points(*changes, backbone="nano"), points(*changes[::-1], backbone="nano")
    assert [re.sub("-[0-9a-f]{8}$", "", point.name) for point in first] == [
        "base", "layer-1", "l1-coefficient-0.001_lr-0.0002"
    ]  # fmt: skip
    assert {p.name.rpartition("-")[2] for p in first} == {p.name.rpartition("-")[2] for p in again}
    assert points({"layer": -1})[0].name.startswith("layer-minus-1-")
    assert points({"lr": 1e30})[0].name.startswith("lr-1e30-")


def test_the_same_configuration_is_one_point_however_it_is_written():
    same = points({"lr": "4e-5"}, {"lr": 4e-5}, {"lr": 0.00004}, {"lr": 4e-5, "layer": -2})
    assert len(same) == 1
    assert same[0].fields == {"lr": 4e-5, "layer": -2}


def test_another_base_gives_another_name():
    assert points({"layer": 1}, steps=10)[0].name != points({"layer": 1}, steps=20)[0].name


def test_long_names_stay_short():
    change = {f"{part}": value for part, value in (("backbone", "nano"), ("token_dtype", "float32"))}
    change |= {f"sae_options.{n}": v for n, v in (("dead_feature_window", 1234), ("encoder_init", "independent"))}
    assert len(points(change)[0].name) <= 69


def test_what_does_not_matter_for_the_result_is_not_in_the_name():
    assert points({}, device="cpu", log_every=3)[0].name == points({})[0].name


def test_of_two_ways_the_change_wins_over_base_and_preset():
    config, _ = points({"d_sae": 10}, preset="paper", expansion=3)[0].configure(images="i", out="o")
    assert (config.d_sae, config.expansion) == (10, None)


def test_another_variant_starts_from_its_own_defaults():
    relu, topk = points({"sae": "relu-l1"}, {"sae": "topk"}, **{"sae_options.ghost_grads": False})
    assert relu.values["sae_options"] == {"ghost_grads": False}
    assert "sae_options" not in topk.values


def test_points_share_tokens_unless_layer_backbone_or_type_differ():
    kinds = points({}, {"lr": 1e-2}, {"layer": 1}, {"backbone": "nano"}, {"token_dtype": "float32"})
    assert len({point.tokens for point in kinds}) == 4
    assert kinds[0].tokens == kinds[1].tokens


@pytest.mark.parametrize("change", [{"expansion": 0}, {"lr": -1}, {"sae_options.l1_coefficient": -1}])
def test_a_value_out_of_range_makes_one_point_impossible(change):
    good, bad = points({}, change)
    assert good.problem is None
    assert "greater than" in bad.problem
    with pytest.raises(CytosaeError, match="greater than"):
        bad.configure(images="i", out="o")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expansion": "many"}, "the point expansion = many: The value of 'expansion' is wrong"),
        ({"sae": "relu-l2"}, "relu-l1"),
        ({"sae_options.l1_coef": 1}, "has no option 'l1_coef'. Did you mean l1_coefficient"),
        ({"sae_options.b_dec_init": "median"}, "geometric_median"),
        ({"backbone": "dinoblom-b"}, "dinobloom-b"),
        ({"expansion": 2, "d_sae": 3}, "Both expansion and d_sae"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_trained(change, message):
    with pytest.raises(CytosaeError) as error:
        points({}, change)
    assert message in str(error.value)


def test_runs_are_points_times_seeds():
    runs = runs_of(points({"layer": 1}, {"layer": 2}), (0, 5))
    assert [(run.point.fields["layer"], run.seed) for run in runs] == [(1, 0), (1, 5), (2, 0), (2, 5)]
    assert runs[1].name == f"{runs[0].point.name}-seed5"
