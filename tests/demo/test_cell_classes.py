import numpy as np
import pytest

from cytosae_toolkit.demo.cell_classes import CELL_CLASSES, sample_white_cell
from cytosae_toolkit.demo.cells import generate_cell
from cytosae_toolkit.errors import CytosaeError

SEEDS = range(12)


@pytest.fixture(scope="module")
def cells():
    return {
        c: [generate_cell(c, np.random.default_rng([s, 1]), laboratory="pearl") for s in SEEDS] for c in CELL_CLASSES
    }


def _share(cell, part, of):
    whole = sum(cell.masks[name].sum() for name in of)
    return cell.masks[part].sum() / whole


def _mean(cells, label, part, of=("nucleus", "cytoplasm")):
    return float(np.mean([_share(cell, part, of) for cell in cells[label]]))


def test_every_class_has_nucleus_and_cytoplasm(cells):
    for label, examples in cells.items():
        for cell in examples:
            assert cell.label == label
            assert cell.masks["nucleus"].sum() > 250 and cell.masks["cytoplasm"].sum() > 150


def test_auer_rods_are_in_every_atypical_promyelocyte_and_nowhere_else(cells):
    for label, examples in cells.items():
        for cell in examples:
            assert cell.masks["auer_rods"].any() == (label == "atypical_promyelocyte")


def test_coarse_granules_are_where_they_belong(cells):
    granular = {"eosinophil", "basophil", "atypical_promyelocyte"}
    for label, examples in cells.items():
        for cell in examples:
            assert (cell.masks["granules"].sum() > 100) == (label in granular)


def test_only_monocytes_have_vacuoles(cells):
    for label, examples in cells.items():
        assert any(cell.masks["vacuoles"].any() for cell in examples) == (label == "monocyte")


def test_nuclear_share_is_that_of_the_textbook(cells):
    share = {label: _mean(cells, label, "nucleus") for label in CELL_CLASSES}
    assert min(share["lymphocyte"], share["blast"]) > 0.55
    assert max(share["neutrophil"], share["eosinophil"]) < 0.45


def test_sizes_are_ordered(cells):
    size = {
        label: np.mean([c.masks["nucleus"].sum() + c.masks["cytoplasm"].sum() for c in examples])
        for label, examples in cells.items()
    }
    assert size["lymphocyte"] < size["neutrophil"] < size["atypical_promyelocyte"]


def test_eosinophil_granules_are_red_and_basophil_granules_dark(cells):
    def colour(label):
        return np.mean([c.image[c.masks["granules"]].mean(0) for c in cells[label]], axis=0)

    eosinophil, basophil = colour("eosinophil"), colour("basophil")
    assert eosinophil[0] > eosinophil[2] + 30
    assert basophil.mean() < eosinophil.mean() - 30 and basophil[2] > basophil[1]


def test_neutrophil_nuclei_have_two_to_five_lobes():
    lobes = {len(sample_white_cell("neutrophil", np.random.default_rng(s)).nucleus.shape.lobes) for s in range(60)}
    assert lobes == {2, 3, 4, 5}


def test_unknown_class_offers_the_nearest():
    with pytest.raises(CytosaeError, match="basophil"):
        sample_white_cell("basofil", np.random.default_rng(0))
