"""Whatever an image layer holds becomes RGB, or a sentence."""

from __future__ import annotations

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _pixels
from napari_cytosae._pixels import picture_of, to_rgb_of

COLOUR = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = COLOUR[..., 0]


def pixels(layer, dims=None, **options):
    field = picture_of(layer, dims, **options).field
    return field.read_window(0, 0, field.shape[1], field.shape[0])


def test_colour_of_eight_bits_stays():
    np.testing.assert_array_equal(pixels(Image(COLOUR, rgb=True)), COLOUR)
    np.testing.assert_array_equal(pixels(Image(da.from_array(COLOUR), rgb=True)), COLOUR)


def test_transparent_is_white():
    alpha = np.zeros((20, 30, 1), np.uint8)
    alpha[:10], alpha[10] = 255, 128
    found = pixels(Image(np.concatenate([COLOUR, alpha], axis=2), rgb=True))
    np.testing.assert_array_equal(found[:10], COLOUR[:10])
    np.testing.assert_array_equal(found[11:], 255)
    np.testing.assert_allclose(found[10], COLOUR[10] * (128 / 255) + 255 * (127 / 255), atol=0.51)


@pytest.mark.parametrize(
    ("data", "limits", "expected"),
    [
        (GREY, None, GREY),
        (GREY, (50, 60), GREY),  # 8 bits stay, however they are shown
        (GREY > 99, None, np.where(GREY > 99, 255, 0)),
        (GREY / 255, (0, 1), GREY),
        ((GREY / 255).astype(np.float32), (0.2, 0.4), GREY),
        (GREY.astype(np.float64) - 100, (-100, 155), GREY),
        (GREY.astype(np.uint16) * 257, (0, 65535), GREY),
        (GREY.astype(np.uint16) * 16, (0, 4080), GREY),
        (GREY.astype(np.int32) * 3 - 7, (-7, 758), GREY),
        (np.where(GREY > 99, np.nan, 0.2), (0, 1), np.full(GREY.shape, 51)),
        (np.full(GREY.shape, np.nan), (0, 1), np.full(GREY.shape, 255)),
    ],
)
def test_one_channel_becomes_grey(data, limits, expected):
    layer = Image(data, contrast_limits=limits)
    np.testing.assert_array_equal(pixels(layer), np.repeat(expected[..., None], 3, axis=2))


def test_colour_of_other_numbers():
    np.testing.assert_array_equal(pixels(Image(COLOUR / 255, rgb=True)), COLOUR)
    np.testing.assert_array_equal(pixels(Image((COLOUR / 255).astype(np.float32), rgb=True)), COLOUR)
    np.testing.assert_array_equal(pixels(Image(COLOUR.astype(np.uint16) * 257, rgb=True)), COLOUR)
    beyond = pixels(Image(np.full((9, 9, 3), (-0.5, 0.2, 1.5)), rgb=True))
    assert beyond[0, 0].tolist() == [0, 51, 255]


def test_pixels_that_are_no_numbers_look_like_empty_background():
    data = COLOUR / 255
    data[3:6, 4:9, 1], data[12, 12] = np.nan, np.inf
    found = pixels(Image(data, rgb=True))
    gaps = ~np.isfinite(data).all(axis=2)
    np.testing.assert_array_equal(found[~gaps], COLOUR[~gaps])
    np.testing.assert_allclose(found[gaps], np.tile(np.percentile(COLOUR[~gaps], 85, axis=0), (16, 1)), atol=1)


def test_a_multiscale_layer_is_read_at_its_finest_level_or_one_that_fits():
    levels = [np.repeat(np.repeat(COLOUR, 4, axis=0), 4, axis=1), np.repeat(np.repeat(COLOUR, 2, 0), 2, 1), COLOUR]
    layer = Image(levels, multiscale=True, scale=(0.5, 0.5), units=("um", "um"))
    np.testing.assert_array_equal(pixels(layer), levels[0])
    for most, level in ((10_000, 0), (9_599, 1), (600, 2), (10, 2)):
        picture = picture_of(layer, most_pixels=most)
        assert picture.field.shape == levels[level].shape
        assert picture.frame.step == (2.0**level, 2.0**level)
        assert picture.field.pixel_size == pytest.approx(0.5 * 2**level)


def test_the_slice_that_is_shown_is_read():
    stack = np.stack([GREY, 255 - GREY, GREY // 2])
    viewer = ViewerModel()
    layer = viewer.add_image(stack, scale=(5, 1, 1))
    viewer.dims.set_point(0, 10)
    picture = picture_of(layer, viewer.dims)
    assert (picture.frame.index, picture.frame.axes) == ((2, 0, 0), (1, 2))
    np.testing.assert_array_equal(pixels(layer, viewer.dims)[..., 1], GREY // 2)
    viewer.dims.ndisplay = 3
    with pytest.raises(CytosaeError, match="volumes"):
        picture_of(layer, viewer.dims)
    with pytest.raises(CytosaeError, match="3 axes"):
        picture_of(layer)


def test_colour_over_time_and_other_layers_with_more_axes():
    viewer = ViewerModel()
    movie = viewer.add_image(np.stack([COLOUR, COLOUR[::-1]]), rgb=True)
    viewer.add_image(np.zeros((3, 2, 20, 30)))
    viewer.dims.set_point(1, 1)
    np.testing.assert_array_equal(pixels(movie, viewer.dims), COLOUR[::-1])
    flat = viewer.add_image(COLOUR, rgb=True)
    np.testing.assert_array_equal(pixels(flat, viewer.dims), COLOUR)


def test_turned_axes_show_another_plane():
    viewer = ViewerModel()
    layer = viewer.add_image(np.arange(6 * 20 * 30, dtype=np.uint16).reshape(6, 20, 30))
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 7)
    picture = picture_of(layer, viewer.dims)
    assert (picture.frame.index, picture.frame.axes, picture.field.shape) == ((0, 7, 0), (0, 2), (6, 30, 3))


def test_a_large_lazy_image_is_read_window_by_window(monkeypatch):
    read = []

    def block(values, block_info):
        read.append(block_info[0]["array-location"])
        return values

    monkeypatch.setattr(_pixels, "AT_ONCE", 100)
    data = da.zeros((4000, 5000, 3), dtype=np.uint8, chunks=(500, 500, 3)).map_blocks(block, dtype=np.uint8)
    layer = Image([data, data[::8, ::8]], multiscale=True, rgb=True, contrast_limits=(0, 255))
    field = picture_of(layer).field
    read.clear()
    assert field.shape == (4000, 5000, 3)
    assert field.read_window(600, 1100, 700, 1200).shape == (100, 100, 3)
    assert len(read) == 1


def test_one_that_fails_to_load_is_a_sentence(monkeypatch):
    def broken(values):
        raise OSError("tile 7 is damaged")

    layer = Image(COLOUR, rgb=True)
    layer_field = picture_of(layer).field
    layer_field._data = da.from_array(COLOUR).map_blocks(broken, dtype=np.uint8, meta=np.zeros((0, 0, 0), np.uint8))
    with pytest.raises(CytosaeError, match="could not be read: tile 7 is damaged"):
        layer_field.read_window(0, 0, 5, 5)
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "100")
    with pytest.raises(CytosaeError, match="too many"):
        picture_of(layer).field.read_window(0, 0, 20, 20)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Labels(np.zeros((9, 9), int)), "is no image"),
        (Points(np.zeros((2, 2))), "is no image"),
        (Image(np.zeros((9, 3))), "only 3 x 9 pixels"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(layer, words):
    with pytest.raises(CytosaeError, match=words):
        picture_of(layer)


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.25, 0.25), ("um", "um"), 0.25),
        ((250, 250), ("nm", "nm"), 0.25),
        ((2.5e-4, 0.25), ("mm", "um"), 0.25),
        ((0.25, 0.252), ("um", "um"), 0.251),
        ((0.25, 0.4), ("um", "um"), None),
        ((0.25, 0.25), ("pixel", "pixel"), None),
        ((0.25, 0.25), None, None),
        ((0.25, 0.25), ("s", "um"), None),
    ],
)
def test_the_size_of_a_pixel(scale, units, expected):
    found = picture_of(Image(COLOUR, rgb=True, scale=scale, units=units, rotate=30)).field.pixel_size
    assert found == (None if expected is None else pytest.approx(expected, rel=2e-3))


def test_complex_numbers_are_a_sentence():
    with pytest.raises(CytosaeError, match="complex64"):
        to_rgb_of(SimpleNamespace(dtype=np.complex64, name="wave", rgb=False))
