"""Samples become colours by their declared depth, never by the content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_toolkit.images.pixels import oriented, over_white, to_8_bit


@given(bits=st.integers(1, 16))
def test_any_depth_spans_black_to_white_monotonically(bits: int) -> None:
    samples = np.arange(1 << bits).astype(np.uint8 if bits <= 8 else np.uint16)
    eight = to_8_bit(samples, bits).astype(int)
    assert eight[0] == 0 and eight[-1] == 255 and (np.diff(eight) >= 0).all()


def test_opaque_and_clear_are_exact() -> None:
    colour = np.array([[[10, 20, 30], [10, 20, 30]]], np.uint8)
    mixed = over_white(colour, np.array([[255, 0]], np.uint8))
    assert mixed.tolist() == [[[10, 20, 30], [255, 255, 255]]]
    multiplied = over_white(
        np.array([[[5, 5, 5], [0, 0, 0]]], np.uint8), np.array([[128, 255]], np.uint8), premultiplied=True
    )
    assert multiplied.tolist() == [[[132, 132, 132], [0, 0, 0]]]


def test_floats_round_and_must_lie_in_range() -> None:
    assert to_8_bit(np.array([0.0, 0.5, 1.0]), 32).tolist() == [0, 128, 255]
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="outside 0 to 1"):
            to_8_bit(np.array([0.5, bad]), 32)


def test_orientation_six_turns_clockwise() -> None:
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    assert oriented(picture, 6)[:, :, 0].tolist() == [[3, 0], [4, 1], [5, 2]]
    assert oriented(picture, 99) is picture
