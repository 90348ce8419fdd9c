from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.explore.fields import (
    BoxSummary,
    explain_cells,
    explain_windows,
    load_boxes,
    looks_like_field,
    square_about,
)

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


def test_the_summary_of_several_boxes(session, trained, tiles):
    summary = BoxSummary(session)
    for image in load_boxes(session, *tiles):
        summary.add(image)
    table = summary.table(top=None, everywhere=True)
    h = trained.h[:6]
    means = h.mean(axis=1, dtype=np.float64)
    assert set(table.index) == set(np.flatnonzero(means.sum(axis=0)))
    np.testing.assert_allclose(table["mean"], means.mean(axis=0)[table.index], rtol=1e-6)
    np.testing.assert_array_equal(table["max"], h[:, 1:].max(axis=(0, 1))[table.index])
    np.testing.assert_array_equal(table["n_active"], (means > 0).sum(axis=0)[table.index])
    np.testing.assert_array_equal(table["best"], means.astype(np.float32).argmax(axis=0)[table.index])
    assert table["mean"].is_monotonic_decreasing
    hidden = ((h[:, 1:] > 0).mean(axis=1) > 0.9).all(axis=0)
    assert set(summary.table(top=None).index) == set(table.index) - set(np.flatnonzero(hidden))


def test_a_latent_that_is_asked_for_is_shown_even_if_silent(session, trained):
    summary = BoxSummary(session)
    summary.add(session.load(trained.table.path(0)))
    silent = int(np.flatnonzero(trained.h[0].max(axis=0) == 0)[0])
    assert summary.table(latents=[silent]).loc[silent].tolist() == [0, 0, 0, -1]


def test_what_looks_like_a_field(session, tmp_path):
    for side, expected in ((48, None), (49, (49, 32.0))):
        Image.new("RGB", (20, side)).save(tmp_path / "image.png")
        assert looks_like_field(session, tmp_path / "image.png") == expected


@pytest.mark.parametrize(
    ("centre", "side", "box"),
    [
        ((50, 40), 20, (40, 30, 60, 50)),
        ((2, 79), 20, (0, 60, 20, 80)),
        ((50, 40), 200, (0, 0, 100, 80)),
    ],
)
def test_crops_stay_inside_the_field(centre, side, box):
    assert square_about(centre, side, (80, 100)) == box


def test_cells_of_a_field_are_found_and_explained(session, tmp_path):
    field, out = Pixels(drawn_field()), tmp_path / "out"
    found = explain_cells(session, field, top=4, red_cell_diameter=24, out=out)
    assert (found.what, found.shape, found.n_boxes, len(found.table)) == ("cells", (300, 400), 2, 4)
    cells = pd.read_csv(out / "cells.csv")
    for row, centre in ((0, (110, 90)), (1, (300, 200))):
        x0, y0, x1, y1 = cells.loc[row, ["x0", "y0", "x1", "y1"]]
        assert np.hypot((x0 + x1) / 2 - centre[0], (y0 + y1) / 2 - centre[1]) < 8
        share = np.pi * 26**2 / ((x1 - x0) * (y1 - y0))
        assert share == pytest.approx(session.image_fit.cell_size, rel=0.5)
    assert pd.read_csv(out / "latents.csv")["latent"].tolist() == found.table.index.tolist()
    for name in ("cell-000", "cell-001"):
        assert (out / name / "attribution.png").is_file()
        assert len(list((out / name / "heatmaps").iterdir())) == 4


def test_a_field_without_cells(session):
    empty = Pixels(np.full((200, 200, 3), 235, dtype=np.uint8))
    with pytest.raises(CytosaeError, match="No white cell was found"):
        explain_cells(session, empty, red_cell_diameter=24)


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
