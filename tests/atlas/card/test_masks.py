from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_toolkit.atlas.card.masks import (
    Structures,
    bits_in,
    masks_of,
    parse_structures,
    read_mask,
    rows_with_masks,
    structures_of,
)
from cytosae_toolkit.demo.masks import MASKS, pack_masks
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import ImageTable

GREY = np.array([[0, 128, 128, 255], [0, 0, 128, 255]], dtype=np.uint8)


@pytest.fixture
def table(tmp_path):
    """Return a function that makes a table of one image with this mask, and one without."""

    def make(mask: np.ndarray, shape=(2, 4), **columns: object) -> ImageTable:
        Image.fromarray(np.zeros((*shape, 3), dtype=np.uint8)).save(tmp_path / "image.png")
        Image.fromarray(mask).save(tmp_path / "mask.png")
        values = {"path": ["image.png"] * 2, "id": ["0", "1"], "mask": ["mask.png", None]}
        return ImageTable(pd.DataFrame(values | columns), tmp_path, "a test")

    return make


def test_every_grey_value_is_a_structure_unless_named(table):
    images = table(GREY)
    rows = rows_with_masks(images)
    assert rows.tolist() == [0]
    found = structures_of(images, rows)
    assert found.names == ["value 128", "value 255"]
    inner, nucleus = masks_of(images, 0, found)
    np.testing.assert_array_equal(inner, GREY == 128)
    np.testing.assert_array_equal(nucleus, GREY == 255)


def test_values_are_named_and_joined(table):
    structures = parse_structures({"nucleus": "255", "cell": "128, 255"})
    assert structures == Structures((("nucleus", (255,)), ("cell", (128, 255))))
    _, cell = masks_of(table(GREY), 0, structures)
    np.testing.assert_array_equal(cell, GREY > 0)


def test_bits_are_the_masks_of_generated_smears(table):
    rng = np.random.default_rng(0)
    masks = {name: rng.random((2, 4)) < 0.5 for name in MASKS}
    images = table(pack_masks(masks))
    structures = parse_structures({}, ",".join(MASKS))
    for found, expected in zip(masks_of(images, 0, structures), masks.values(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("values", "n_bits"),
    [((1, 2, 6, 10, 18, 32, 64), 7), ((1, 2, 3, 4), 0), ((128, 255), 0), ((255,), 0), ((1, 2, 4), 0), ((2, 4, 6), 3)],
)
def test_bits_are_told_from_grey_values(values, n_bits):
    assert bits_in(Structures(tuple((f"value {value}", (value,)) for value in values))) == n_bits


def test_a_mask_is_cropped_with_its_image(table):
    box = {"x0": pd.array([1, None], "Int64"), "y0": pd.array([0, None], "Int64"),
           "x1": pd.array([3, None], "Int64"), "y1": pd.array([2, None], "Int64")}  # fmt: skip
    images = table(GREY, **box)
    np.testing.assert_array_equal(read_mask(images, 0), GREY[:, 1:3])
    assert masks_of(images, 0, Structures((("x", (255,)),)))[0].shape == (2, 2)
    assert read_mask(images, 1) is None


@pytest.mark.parametrize("arguments", [
    ({"a": "0"},), ({"a": "256"},), ({"a": "x"},), ({"a": ""},), ({"a": "1"}, "b"),
    ({}, "a,a"), ({}, "a,,b"), ({}, "a,b,c,d,e,f,g,h,i"),
])  # fmt: skip
def test_names_that_make_no_sense_are_refused(arguments):
    with pytest.raises(CytosaeError, match="--mask"):
        parse_structures(*arguments)


def test_without_options_nothing_is_named():
    assert parse_structures({}) is None


def test_masks_that_do_not_fit_are_refused(table):
    structures = Structures((("x", (255,)),))
    with pytest.raises(CytosaeError, match=r"4 x 2 pixels, its image 5 x 3"):
        masks_of(table(GREY, shape=(3, 5)), 0, structures)
    with pytest.raises(CytosaeError, match="coloured"):
        read_mask(table(np.full((2, 4, 3), [1, 2, 3], dtype=np.uint8)), 0)
    with pytest.raises(CytosaeError, match="has no mask"):
        masks_of(table(GREY), 1, structures)
    many = table(np.arange(32, dtype=np.uint8).reshape(4, 8), shape=(4, 8))
    with pytest.raises(CytosaeError, match=r"31 grey values .* --mask-bits"):
        structures_of(many, np.array([0]))
    with pytest.raises(CytosaeError, match="0 grey values"):
        structures_of(table(np.zeros((2, 4), dtype=np.uint8)), np.array([0]))
