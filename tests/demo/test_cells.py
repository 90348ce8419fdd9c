from itertools import combinations

import numpy as np
import pytest

from cytosae_toolkit.demo.cell_classes import CELL_CLASSES
from cytosae_toolkit.demo.cells import generate_cell, photograph_cell, sample_cell_scene
from cytosae_toolkit.demo.laboratories import LABORATORIES
from cytosae_toolkit.demo.masks import MASKS
from cytosae_toolkit.errors import CytosaeError


def _cell(label, seed=0, **options):
    return generate_cell(label, np.random.default_rng(seed), **options)


@pytest.mark.parametrize("label", CELL_CLASSES)
def test_same_seed_same_picture_and_another_seed_another(label):
    a, b, c = _cell(label), _cell(label), _cell(label, seed=1)
    assert np.array_equal(a.image, b.image) and not np.array_equal(a.image, c.image)
    assert all(np.array_equal(a.masks[name], b.masks[name]) for name in MASKS)


@pytest.mark.parametrize("label", CELL_CLASSES)
def test_masks_overlap_only_as_documented(label):
    for seed in range(4):
        masks = _cell(label, seed).masks
        assert tuple(masks) == MASKS and all(m.dtype == bool for m in masks.values())
        for a, b in combinations(("nucleus", "cytoplasm", "red_cells", "platelets"), 2):
            assert not (masks[a] & masks[b]).any(), (a, b)
        for a, b in combinations(("granules", "vacuoles", "auer_rods"), 2):
            assert not (masks[a] & masks[b]).any(), (a, b)
        for part in ("granules", "vacuoles", "auer_rods"):
            assert not (masks[part] & ~masks["cytoplasm"]).any()


@pytest.mark.parametrize("size", [64, 128, 200])
def test_size_is_a_parameter_and_shows_the_same_scene(size):
    cell = _cell("monocyte", laboratory="amber", size=size)
    assert cell.image.shape == (size, size, 3) and cell.image.dtype == np.uint8
    share = cell.masks["nucleus"].mean() / _cell("monocyte", laboratory="amber").masks["nucleus"].mean()
    assert 0.9 < share < 1.1


def test_cells_lie_about_the_middle_but_not_in_it():
    middles = []
    for seed in range(30):
        masks = _cell("neutrophil", seed).masks
        rows, columns = np.nonzero(masks["nucleus"] | masks["cytoplasm"])
        middles.append((rows.mean() / 128 - 0.5, columns.mean() / 128 - 0.5))
    assert np.abs(middles).max() < 0.14 and np.std(middles) > 0.015


def test_stain_is_independent_of_the_class():
    drawn = {label: {_cell(label, seed).laboratory for seed in range(25)} for label in CELL_CLASSES}
    assert all(labs == set(LABORATORIES) for labs in drawn.values())


def test_laboratory_changes_the_colours_but_not_the_geometry():
    scene = sample_cell_scene("eosinophil", np.random.default_rng(0))
    a, b = (photograph_cell(scene, np.random.default_rng(1), laboratory=lab) for lab in ("amber", "slate"))
    assert all(np.array_equal(a.masks[name], b.masks[name]) for name in MASKS)
    assert np.abs(a.image.mean((0, 1)) - b.image.mean((0, 1))).max() > 8


def test_rephotograph_shows_the_same_cell_shifted_and_turned():
    scene = sample_cell_scene("lymphocyte", np.random.default_rng(0))
    first = photograph_cell(scene, np.random.default_rng(1), laboratory="rose")
    again = photograph_cell(scene, np.random.default_rng(2), laboratory="pearl", again=True)
    a, b = first.masks["nucleus"], again.masks["nucleus"]
    assert not np.array_equal(a, b) and abs(a.sum() / b.sum() - 1) < 0.03
    assert (a & b).sum() / (a | b).sum() > 0.5
    assert abs(again.view.rotation) <= 0.21 and max(abs(again.view.x), abs(again.view.y)) <= 1.2


def test_unknown_names_are_refused():
    with pytest.raises(CytosaeError, match="laboratory"):
        _cell("blast", laboratory="nowhere")
    with pytest.raises(CytosaeError, match="cell class"):
        _cell("blst")
