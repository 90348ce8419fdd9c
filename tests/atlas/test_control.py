from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.control import ControlCard, FlagLimits, control_card, flags

from .dense import columns_of
from .worlds import PREFIX, totals_of, world


def card(**values):
    undefined = {name: np.array([np.nan, np.nan]) for name in ControlCard.__annotations__}
    return ControlCard(**(undefined | {name: np.array([0.0, value]) for name, value in values.items()}))


def flagged(n_groups=100, **values):
    found = flags(card(**values), np.array([100, n_groups]))
    assert not any(flag[0] for flag in found.values())
    return {name for name, flag in found.items() if flag[1]}


def test_each_value_raises_its_flag():
    assert flagged(colour_r2=0.99) == {"colour"}
    assert flagged(position_r2=0.99) == {"position"}
    assert flagged(off_centre=0.99) == {"position"}
    assert flagged(border_share=0.99) == {"position"}
    assert flagged(set_auroc=0.99) == {"set"}
    assert flagged(n_groups=9) == {"few_cells"}
    assert flagged(colour_r2=0.99, set_auroc=0.99) == {"colour", "set"}


def test_what_other_photographs_confirm_is_neither_colour_nor_position():
    values = {"colour_r2": 0.99, "position_r2": 0.99, "off_centre": 0.99, "set_auroc": 0.99}
    assert flagged(**values, reproducibility=0.4) == {"colour", "position", "set"}
    assert flagged(**values, reproducibility=0.6) == {"set"}


def test_what_is_undefined_or_harmless_raises_none():
    assert flagged() == set()
    assert flagged(reproducibility=0.0, nuclear_area_r=1.0, nc_ratio_r=1.0, cell_size_r=-1.0) == set()


def test_the_record_of_limits_names_them_all():
    assert FlagLimits(**FlagLimits(min_groups=3).record()) == FlagLimits(min_groups=3)


def test_a_latent_of_a_corner_and_a_set_is_found_among_others():
    h, facts = world(0, n=300)
    h[:, :, 3] = 0
    h[:, PREFIX, 3] = 2 * (facts.sets == 0)
    found = control_card(columns_of(h, PREFIX), facts, totals_of(h, facts))
    assert found.position_r2[3] > 0.99 and found.off_centre[3] > 0.99 and found.border_share[3] == 1
    assert found.set_auroc[3] == 1 and facts.set_names[found.set_auroc_set[3]] == facts.set_names[0]
    assert (found.position_r2[4:] < 0.1).all() and (found.set_auroc[4:] < 0.7).all()
