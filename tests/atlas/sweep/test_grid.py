from __future__ import annotations

import pytest

from cytosae_toolkit.atlas.sweep import expand, read_sweep, shipped_sweeps
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def read(tmp_path):
    """Read a sweep from its text."""

    def write(text: str):
        path = tmp_path / "s.yaml"
        path.write_text(text)
        return read_sweep(path)

    return write


def test_a_grid_is_every_combination(read):
    file = read("grid:\n  expansion: [4, 8]\n  sae_options: {l1_coefficient: [1.0e-3]}\n  lr: [1.0e-3, 1.0e-4]")
    assert file.changes == tuple(
        {"expansion": e, "sae_options.l1_coefficient": 1e-3, "lr": lr} for e in (4, 8) for lr in (1e-3, 1e-4)
    )
    assert file.seeds == (0,)


def test_vary_is_the_base_and_one_change_at_a_time(read):
    file = read("base: {preset: paper, lr: 1.0}\nvary: {expansion: [4, 8], layer: [1]}\nseeds: [3, 1, 3]")
    assert file.changes == ({}, {"expansion": 4}, {"expansion": 8}, {"layer": 1})
    assert (file.preset, file.base, file.seeds) == ("paper", {"lr": 1.0}, (3, 1))


def test_points_are_chosen_combinations(read):
    file = read("points:\n  - {sae: topk, sae_options.k: 8}\n  - {sae_options: {ghost_grads: false}}")
    assert file.changes == ({"sae": "topk", "sae_options.k": 8}, {"sae_options.ghost_grads": False})


def test_a_base_alone_is_one_point(read):
    assert read("base: {lr: 0.1}").changes == ({},)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "says nothing"),
        ("[1]", "says nothing"),
        ("a: [", "not readable YAML"),
        ("gird: {lr: [1]}", "unknown part 'gird'. Did you mean grid?"),
        ("grid: {expanson: [1]}", "grid has an unknown field 'expanson'. Did you mean expansion?"),
        ("base: {sae_option.k: 1}", "unknown field 'sae_option.k'. Did you mean sae_options"),
        ("base: {lr.x: 1}", "unknown field 'lr.x'"),
        ("grid: {lr: []}", "the list of lr in grid is empty"),
        ("vary: {lr: 4}", "vary gives lr as 4 instead of a list. Write [4]."),
        ("grid: [lr]", "grid is not a mapping"),
        ("base: {sae_options: 3}", "sae_options of base is not a mapping"),
        ("points: []", "points is not a list with at least one"),
        ("points: [3]", "points[0] is not a mapping"),
        ("base: {out: x}", "base sets 'out', which the sweep sets itself. Give --out"),
        ("base: {images: x}", "base sets 'images'"),
        ("points: [{resume: true}]", "points[0] sets 'resume'"),
        ("grid: {seed: [1]}", "grid sets 'seed', which the sweep sets itself. Write seeds: [0, 1, 2]."),
        ("grid: {device: [cpu]}", "grid changes 'device', which changes no result"),
        ("base: {preset: papr}", "unknown preset 'papr'. Did you mean paper?"),
        ("seeds: 3", "seeds is 3 instead of a list"),
        ("seeds: []", "seeds is [] instead of a list"),
        ("seeds: [-1]", "-1 is no seed"),
        ("seeds: [true]", "True is no seed"),
    ],
)
def test_a_mistake_is_one_sentence(read, text, message):
    with pytest.raises(CytosaeError) as error:
        read(text)
    assert message in str(error.value)


def test_a_sweep_that_does_not_exist(tmp_path):
    with pytest.raises(CytosaeError, match=r"There is no sweep paper-ablatio: .*Did you mean paper-ablation\?"):
        read_sweep("paper-ablatio")
    with pytest.raises(CytosaeError, match="not readable"):
        read_sweep(tmp_path)


def test_shipped_sweeps_are_complete_without_weights():
    assert shipped_sweeps() == ["paper-ablation", "quick"]
    for name in shipped_sweeps():
        assert all(point.problem is None for point in expand(read_sweep(name)))


def test_the_paper_ablation_is_the_papers():
    points = {point.label: point for point in expand(read_sweep("paper-ablation"))}
    assert list(points) == [
        "base", "expansion = 16", "expansion = 32", "expansion = 128", "l1_coefficient = 0.0008", "lr = 4e-05",
        "layer = 1", "layer = 6", "layer = 11", "ghost_grads = false", "b_dec_init = mean",
    ]  # fmt: skip
    assert points["base"].fields == {
        "expansion": 64.0, "sae_options.l1_coefficient": 8e-5, "lr": 4e-4, "layer": 10,
        "sae_options.ghost_grads": True, "sae_options.b_dec_init": "geometric_median",
    }  # fmt: skip
    config, _ = points["layer = 6"].configure(images="x", out="y", seed=2)
    assert (config.layer, config.seed, config.steps, config.batch_images) == (6, 2, 15_625, 64)
    assert len({point.tokens for point in points.values()}) == 4
