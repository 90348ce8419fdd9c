from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cytosae_toolkit.demo import generate_field
from cytosae_toolkit.images import field_cells
from cytosae_toolkit.images.cells import FoundCell, find_cells
from cytosae_toolkit.images.field_cells import (
    common_scale,
    crop_boxes,
    field_scale,
    find_cells_of_field,
    side_like,
)
from cytosae_toolkit.images.red_cell_size import RedCellSize
from cytosae_toolkit.images.windows import open_field


def cell(x0: int, y0: int, x1: int, y1: int, *, area: float = 100.0, red_cell: float = 10.0) -> FoundCell:
    return FoundCell(x0, y0, x1, y1, area / 2, area, 2.0, False, red_cell)


def test_squares_with_margin_about_cells() -> None:
    assert crop_boxes([cell(40, 50, 60, 60)], (200, 300), margin=0.25) == [(35, 40, 65, 70)]


def test_squares_of_one_side_are_moved_into_the_field() -> None:
    boxes = crop_boxes([cell(0, 0, 20, 20), cell(280, 90, 300, 110)], (200, 300), side=50)
    assert boxes == [(0, 0, 50, 50), (250, 75, 300, 125)]


def test_a_square_larger_than_the_field_is_cut() -> None:
    assert crop_boxes([cell(10, 10, 20, 20)], (40, 100), side=60) == [(0, 0, 60, 40)]


def test_side_like_training_images() -> None:
    cells = [cell(0, 0, 9, 9, area=100.0), cell(0, 0, 9, 9, area=400.0, red_cell=20.0)]
    assert side_like(cells, 0.25, red_cell_diameter=10.0) == pytest.approx(20.0)
    assert side_like(cells, 0.25, red_cell_diameter=30.0) == pytest.approx(60.0)


def test_an_uncertain_scale_is_that_of_fields_of_the_same_size() -> None:
    sizes = [RedCellSize(80, 3.0), RedCellSize(20, 1.1), RedCellSize(90, 2.0), RedCellSize(30, 1.0)]
    assert common_scale(sizes, [(9, 9), (9, 9), (9, 9), (5, 5)]) == [80, 85, 90, 30]


def test_scale_from_the_file_before_the_picture(tmp_path: Path) -> None:
    image = generate_field(np.random.default_rng(0), scale=5.0).image
    tifffile.imwrite(tmp_path / "told.tif", image, resolution=(40_000, 40_000), resolutionunit="CENTIMETER")
    Image.fromarray(image).save(tmp_path / "untold.png")
    assert field_scale(open_field(tmp_path / "told.tif")) == (pytest.approx(30.0), float("inf"))
    assert field_scale(open_field(tmp_path / "untold.png")).diameter == pytest.approx(37.5, rel=0.15)


def test_tiles_find_what_the_whole_field_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = generate_field(np.random.default_rng(3), width=900, height=500, n_white_cells=8, scale=4.0).image
    tifffile.imwrite(tmp_path / "field.tif", image, tile=(64, 64))
    whole = find_cells(image, red_cell_diameter=30)
    monkeypatch.setattr(field_cells, "_TILE", 400)
    with open_field(tmp_path / "field.tif") as field:
        tiled = find_cells_of_field(field, red_cell_diameter=30)
        assert field_scale(field).diameter == pytest.approx(30, rel=0.15)
    assert len(whole) >= 6 and len(tiled) == len(whole)
    centres = np.array([other.centre for other in whole])
    for found in tiled:
        assert np.hypot(*(centres - found.centre).T).min() < 6
