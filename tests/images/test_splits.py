"""Held-out images share no unit with the training images, whatever the order of the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import ImageTable, holdout


def table(**columns: list[str | None]) -> ImageTable:
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({"path": [f"{i}.png" for i in range(n)], "id": [f"id{i:03d}" for i in range(n)]})
    return ImageTable(frame.assign(**{name: pd.Series(c, dtype=object) for name, c in columns.items()}), Path("/"), "x")


@settings(max_examples=60, deadline=None)
@given(
    units=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
    seed=st.integers(0, 5),
    fraction=st.floats(0.01, 0.9),
    column=st.sampled_from(["patient", "group"]),
    order=st.randoms(use_true_random=False),
)
def test_units_stay_whole_in_any_order(units, seed, fraction, column, order) -> None:
    images = table(**{column: list(units)})
    split = holdout(images, fraction, seed)
    sides = [{units[i] for i in side} for side in (split.train, split.held_out)]
    assert not sides[0] & sides[1]
    assert sorted([*split.train, *split.held_out]) == list(range(len(units)))
    assert split.unit == column
    assert sides[0] and (len(set(units)) < 2 or sides[1])
    shuffled = list(range(len(units)))
    order.shuffle(shuffled)
    again = holdout(images.subset(shuffled), fraction, seed)
    assert {shuffled[i] for i in again.held_out} == set(split.held_out)


def test_the_fraction_is_one_of_images() -> None:
    rng = np.random.default_rng(0)
    images = table(patient=[f"p{p}" for p in rng.geometric(0.05, 2000)])
    shares = [len(holdout(images, 0.1, seed).held_out) / 2000 for seed in range(10)]
    assert np.abs(np.array(shares) - 0.1).max() < 0.02
    assert len(set(shares)) > 1


def test_images_without_patient_count_by_group() -> None:
    images = table(patient=["a", "a", None, None, None], group=["1", "2", "3", "3", None])
    for seed in range(8):
        held = set(holdout(images, 0.4, seed).held_out)
        assert held & {0, 1} in (set(), {0, 1}) and held & {2, 3} in (set(), {2, 3})


def test_fraction_zero_and_out_of_range() -> None:
    images = table(group=["a", "b"])
    assert len(holdout(images, 0).held_out) == 0
    for fraction in (-0.1, 1.0):
        with pytest.raises(CytosaeError, match="fraction"):
            holdout(images, fraction)
