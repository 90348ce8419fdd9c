import numpy as np
import pytest

from cytosae_toolkit.demo.faults import FAULT_NAMES, Faults, draw_faults, plant
from cytosae_toolkit.errors import CytosaeError

GREY = np.full((128, 128, 3), 150, dtype=np.float32)


def _changed(*planted):
    return np.abs(plant(GREY, planted) - GREY).max(-1) > 1


def test_nothing_is_planted_unasked():
    assert np.array_equal(plant(GREY, ()), GREY)
    assert not Faults().in_images
    assert draw_faults(Faults(), "slate", np.random.default_rng(0)) == ()


def test_brightness_is_everywhere():
    assert plant(GREY, ("bright",)).min() > GREY.max() * 1.2


def test_mark_is_a_dot_at_one_fixed_place():
    rows, columns = np.nonzero(_changed("mark"))
    assert rows.max() < 24 and columns.max() < 24 and len(rows) > 100


def test_fibre_is_at_the_lower_edge():
    rows, _ = np.nonzero(_changed("fibre"))
    assert rows.min() > 100


def test_fibre_belongs_to_its_laboratory():
    faults = Faults(fibre=1.0, fibre_laboratory="rose")
    rng = np.random.default_rng(0)
    assert draw_faults(faults, "rose", rng) == ("fibre",)
    assert draw_faults(faults, "amber", rng) == ()


def test_shares_are_kept():
    rng = np.random.default_rng(0)
    drawn = [draw_faults(Faults(bright=0.3, mark=1.0), "amber", rng) for _ in range(400)]
    assert all("mark" in d for d in drawn) and set().union(*drawn) <= set(FAULT_NAMES)
    assert 0.2 < np.mean(["bright" in d for d in drawn]) < 0.4


@pytest.mark.parametrize("name", ["bright", "mark", "fibre", "confounding"])
def test_shares_outside_0_1_are_refused(name):
    with pytest.raises(CytosaeError, match=name):
        Faults(**{name: 1.5})
