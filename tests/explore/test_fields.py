from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.explore.fields import (
    cell_boxes,
    explain_cells,
    explain_windows,
    load_boxes,
    looks_like_field,
    red_cells,
)
from cytosae_toolkit.images.windows import open_field, window_grid

pytestmark = pytest.mark.usefixtures("no_loggers")


class Pixels:
    """A field in memory."""

    def __init__(self, image):
        self.image, self.shape = image, image.shape

    def read_window(self, x0, y0, x1, y1):
        return self.image[y0:y1, x0:x1]


@pytest.fixture
def session(trained):
    return Explorer(trained.run, device="cpu", everywhere=0.9)


@pytest.fixture
def tiles(trained):
    """Six training images as one field of two rows, and their boxes."""
    images = [trained.table.read(row) for row in range(6)]
    field = np.concatenate([np.concatenate(images[:3], axis=1), np.concatenate(images[3:], axis=1)])
    return Pixels(field), [(x, y, x + 32, y + 32) for y in (0, 32) for x in (0, 32, 64)]


def drawn_field():
    """Red cells as pale disks, and two white cells with dark nuclei; red cells are 24 pixels wide."""
    y, x = np.mgrid[:300, :400]
    image = np.full((300, 400, 3), (236, 228, 222), dtype=np.float64)
    for cy in range(20, 300, 40):
        for cx in range(20, 400, 40):
            image[np.hypot(y - cy, x - cx) < 12] = (216, 160, 164)
    for cy, cx in ((90, 110), (200, 300)):
        image[np.hypot(y - cy, x - cx) < 26] = (186, 178, 214)
        image[np.hypot(y - cy, x - cx) < 17] = (92, 52, 138)
    noise = np.random.default_rng(0).normal(0, 2, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_boxes_are_loaded_as_images_of_their_own(session, trained, tiles):
    for row, image in enumerate(load_boxes(session, *tiles)):
        np.testing.assert_array_equal(image.tokens, trained.tokens[row])
    assert image.name == "box 64 32 96 64"


def test_what_looks_like_a_field(session, tmp_path):
    for side, expected in ((48, None), (49, (49, 32.0))):
        Image.new("RGB", (20, side)).save(tmp_path / "image.png")
        assert looks_like_field(session, tmp_path / "image.png") == expected


def test_a_tiff_above_the_limit_on_pixels_looks_like_a_field(session, tmp_path, monkeypatch):
    path = tmp_path / "field.tif"
    tifffile.imwrite(path, drawn_field(), tile=(64, 64), photometric="rgb")
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "10000")
    assert looks_like_field(session, path) == (400, 32.0)


def test_cells_of_a_field_are_found_and_explained(session, tmp_path):
    field, out = Pixels(drawn_field()), tmp_path / "out"
    found = explain_cells(session, field, top=4, red_cell_diameter=24, out=out)
    assert (found.what, found.shape, found.n_boxes, len(found.table)) == ("cells", (300, 400), 2, 4)
    cells = pd.read_csv(out / "cells.csv")
    assert cells["cell"].tolist() == [1, 2]
    with Image.open(out / "overview.png") as overview:
        assert overview.size == (400, 300)
    for row, centre in ((0, (110, 90)), (1, (300, 200))):
        x0, y0, x1, y1 = cells.loc[row, ["x0", "y0", "x1", "y1"]]
        assert np.hypot((x0 + x1) / 2 - centre[0], (y0 + y1) / 2 - centre[1]) < 8
        share = np.pi * 26**2 / ((x1 - x0) * (y1 - y0))
        assert share == pytest.approx(session.image_fit.cell_size, rel=0.5)
    assert pd.read_csv(out / "latents.csv")["latent"].tolist() == found.table.index.tolist()
    for name in ("cell-001", "cell-002"):
        assert (out / name / "attribution.png").is_file()
        assert len(list((out / name / "heatmaps").iterdir())) == 4


def test_a_field_without_cells(session):
    empty = Pixels(np.full((200, 200, 3), 235, dtype=np.uint8))
    with pytest.raises(CytosaeError, match="No white cell was found"):
        explain_cells(session, empty, red_cell_diameter=24)


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 25), ({"pixel_size": 0.25}, 30), ({"red_cell_diameter": 24}, 24)],
)
def test_the_scale_is_given_or_told_by_the_file(session, tmp_path, given, expected):
    path = tmp_path / "field.tif"
    per_cm = 1e4 / 0.3
    tifffile.imwrite(path, drawn_field(), photometric="rgb", resolution=(per_cm, per_cm), resolutionunit="CENTIMETER")
    with open_field(path) as field:
        found = explain_cells(session, field, **given)
    assert (found.n_boxes, found.scale.diameter) == (2, pytest.approx(expected, rel=1e-4))
    assert found.scale.is_certain


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A tiled TIFF of 3000 x 3000 pixels, above the limit; two white cells at each of four places."""
    drawn, path = drawn_field(), tmp_path / "large.tif"
    pixels = np.full((3000, 3000, 3), drawn[0, 0], dtype=np.uint8)
    places = [(0, 0), (1400, 1350), (700, 2500), (2600, 100)]  # the second lies on the border between tiles
    for x, y in places:
        pixels[y : y + 300, x : x + 400] = drawn
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="zlib")
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", str(2_500_000))
    monkeypatch.setattr("cytosae_toolkit.images.field_cells._TILE", 1500)
    with open_field(path) as field:
        yield field, [(x + cx, y + cy) for x, y in places for cx, cy in ((110, 90), (300, 200))]


def test_cells_of_a_field_above_the_limit_are_found_in_tiles(session, large):
    field, centres = large
    boxes = cell_boxes(session, field, red_cells(field, 24, None))
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes}) == 1
    found = sorted(((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in boxes if x0 > 0 and y0 > 0)
    np.testing.assert_allclose(found, sorted(centres), atol=8)
    assert explain_cells(session, field, red_cell_diameter=24).n_boxes == 8


def test_windows_over_a_field_above_the_limit(session, large, tmp_path):
    field, _ = large
    windows = window_grid(field.shape, 750, overlap=0.0)
    found = explain_windows(session, field, windows, top=1, out=tmp_path / "out")
    assert (found.shape, found.n_boxes) == ((3000, 3000), 16)
    (overlay,) = (tmp_path / "out" / "overlays").iterdir()
    with Image.open(overlay) as picture:
        assert max(picture.size) < 1500


def test_windows_over_a_field(session, trained, tiles, tmp_path):
    field, windows = tiles
    found = explain_windows(session, field, windows, latents=[7, 90], out=tmp_path / "out")
    assert (found.what, found.n_boxes, found.table.index.tolist()) == ("windows", 6, [7, 90])
    np.testing.assert_allclose(found.table["mean"], trained.h[:6].mean(axis=(0, 1))[[7, 90]], rtol=1e-5)
    heat = np.asarray(Image.open(tmp_path / "out" / "heatmaps" / "latent-00090.tif"))
    expected = trained.h[:6, 1:, 90].reshape(2, 3, 2, 2).transpose(0, 2, 1, 3).reshape(4, 6)
    np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-5)
    assert (tmp_path / "out" / "overlays" / "latent-00007.png").is_file()
    with pytest.raises(CytosaeError, match="exists"):
        explain_windows(session, field, windows, latents=[7], out=tmp_path / "out")
    top = explain_windows(session, field, windows, top=3).table
    assert len(top) == 3
    assert top["mean"].is_monotonic_decreasing


def test_all_windows_count(session, trained, tiles):
    field, windows = tiles
    table = explain_windows(session, field, windows * 5, top=None, everywhere=True).table
    active = (trained.h[:6].mean(axis=1) > 0).sum(axis=0)
    np.testing.assert_array_equal(table["n_active"], 5 * active[table.index])


def test_cells_at_the_border_are_left_out_as_when_they_are_cropped(session, tmp_path):
    drawn = drawn_field()
    cut = Pixels(np.ascontiguousarray(drawn[:, 105:]))
    found = explain_cells(session, cut, red_cell_diameter=24)
    assert (found.n_boxes, found.n_cut) == (1, 1)
    assert explain_cells(session, Pixels(drawn), red_cell_diameter=24).n_cut == 0
