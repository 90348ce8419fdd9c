"""Cells of the atlas like a region."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosae._alike import AlikePanel, asked_region, drawn_region
from napari_cytosae._pixels import picture_of
from napari_cytosae._regions import draw_region
from tests.napari_cytosae.conftest import BOXES


@pytest.fixture
def panel(session, qtbot):
    panel = AlikePanel(session)
    qtbot.addWidget(panel)
    return panel


def patch_of(scene):
    region = np.zeros(scene.parts[0].image.grid, dtype=bool)
    region[1, 1] = True
    return scene.parts[0].image, region, "the clicked patch"


def test_cells_like_a_region_are_shown_until_they_are_put_away(panel, cell_scene, qtbot):
    closed = []
    panel.closed.connect(lambda: closed.append(1))
    assert panel.isHidden()
    panel.look(*patch_of(cell_scene))
    assert not panel.isHidden() and "Looking" in panel.title.text()
    qtbot.waitUntil(lambda: bool(panel.grid.cells.cells))
    assert "like the clicked patch, most alike first" in panel.title.text()
    panel.back.click()
    assert panel.isHidden() and not panel.grid.cells.cells and closed == [1]


def test_all_cells_are_seen_at_the_docks_least_width(panel, cell_scene, qtbot):
    panel.resize(420, 460)
    panel.look(*patch_of(cell_scene))
    qtbot.waitUntil(lambda: len(panel.grid.cells.cells) == 12)
    qtbot.wait(1)
    places = [panel.grid.visualRect(panel.grid.cells.index(i)) for i in range(12)]
    assert all(panel.grid.viewport().rect().contains(place) for place in places)


def test_another_atlas_empties_it(panel, cell_scene, session, qtbot):
    panel.look(*patch_of(cell_scene))
    qtbot.waitUntil(lambda: bool(panel.grid.cells.cells))
    session.set_source(None, None)
    assert not panel.grid.cells.cells


def test_nothing_drawn_is_no_region(viewer, cell_scene, picture):
    layer = viewer.add_image(picture, rgb=True)
    assert drawn_region(viewer, None, cell_scene) is None
    assert drawn_region(viewer, picture_of(layer, viewer.dims), cell_scene) is None
    assert asked_region(viewer, None, cell_scene, None) is None


def test_the_drawn_region_comes_before_the_clicked_patch(viewer, scene, picture):
    layer = viewer.add_image(picture, rgb=True, scale=(2, 2), translate=(5, 7))
    shown, spot = picture_of(layer, viewer.dims), scene.locate(12, 8)
    image, mask, what = asked_region(viewer, shown, scene, spot)
    assert image is scene.parts[0].image and what == "the clicked patch" and np.argwhere(mask).tolist() == [[0, 0]]
    region = draw_region(viewer, "A", "rectangle", shown)
    region.add_rectangles(np.array([[40, 80], [40, 120], [80, 120], [80, 80]]))
    image, mask, what = asked_region(viewer, shown, scene, spot)
    x0, y0, x1, y1 = BOXES[1]
    assert image is scene.parts[1].image and what == "region 1" and mask.shape == (y1 - y0, x1 - x0)
    assert abs(int(mask.sum()) - 40 * 40) <= 160
