from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cytosae_toolkit.images.cell_overview import draw_overview
from cytosae_toolkit.images.cells import FoundCell
from cytosae_toolkit.images.windows import open_field


def cell(*box: int) -> FoundCell:
    return FoundCell(*box, 100.0, 200.0, 2.0, False, 24.0)


@pytest.fixture
def field(tmp_path):
    Image.fromarray(np.full((300, 400, 3), 200, np.uint8)).save(tmp_path / "f.png")
    with open_field(tmp_path / "f.png") as opened:
        yield opened


def test_boxes_of_kept_cells_are_orange_and_of_cut_ones_grey(field):
    picture = np.asarray(draw_overview(field, [cell(200, 100, 300, 200)], [cell(0, 50, 60, 150)]))
    assert picture.shape == (300, 400, 3)
    assert picture[150, 300].tolist() == [255, 176, 0]
    assert picture[100, 60].tolist() == [160, 160, 160]
    assert picture[280, 380].tolist() == [200, 200, 200]


def test_a_large_field_is_shrunk(tmp_path):
    Image.fromarray(np.full((1000, 4000, 3), 200, np.uint8)).save(tmp_path / "f.png")
    with open_field(tmp_path / "f.png") as opened:
        picture = draw_overview(opened, [cell(3000, 200, 3400, 600)], [])
    assert picture.size == (2000, 500)
    assert picture.getpixel((1700, 200)) == (255, 176, 0)
