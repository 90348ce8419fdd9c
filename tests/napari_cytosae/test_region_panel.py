"""Asking a region."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cytosae._pixels import picture_of
from napari_cytosae._region_panel import RegionPanel, heading_of, rank
from napari_cytosae._regions import find_region, mask_of

CELL_A = np.array([[10, 20], [10, 40], [40, 40], [40, 20]], dtype=float)
CELL_B = np.array([[45, 85], [45, 115], [75, 115], [75, 85]], dtype=float)


@pytest.fixture
def panel(qtbot, viewer, session, picture, scene):
    """The panel over a picture that lies somewhere else in the world."""
    layer = viewer.add_image(picture, rgb=True, scale=(0.5, 0.25), translate=(3, -7))
    session.show_flagged, session.hide_everywhere = True, False
    session.set_scene(scene)
    widget = RegionPanel(viewer, session)
    widget.show_on(picture_of(layer))
    qtbot.addWidget(widget)
    widget.show()
    return widget


def listed(panel):
    return panel.answer.list.latents.tolist()


def add(viewer, panel, letter, corners):
    panel.start(letter)
    find_region(viewer, letter).add_polygons([corners])


def expected(scene, *regions):
    masks = [mask_of([corners], scene.shape) for corners in regions]
    return scene.rank_region(*masks, n=30, hide_everywhere=False).index.tolist()


def test_without_a_region_the_whole_picture_is_asked(qtbot, panel, scene):
    wanted = rank(scene, [], False).index.tolist()[:30]
    qtbot.waitUntil(lambda: listed(panel) == wanted)
    assert panel.answer.heading.text() == "Whole picture"
    assert not panel.turn.isEnabled()


def test_one_region_is_compared_with_what_surrounds_it(qtbot, viewer, panel, scene):
    add(viewer, panel, "A", CELL_A)
    qtbot.waitUntil(lambda: listed(panel) == expected(scene, CELL_A))
    assert panel.answer.heading.text() == "Region 1 against what surrounds it"
    assert panel.answer.list.rows.headerData(1, Qt.Orientation.Horizontal) == "Contrast"


def test_two_regions_are_compared_either_way(qtbot, viewer, panel, scene):
    add(viewer, panel, "A", CELL_A)
    add(viewer, panel, "B", CELL_B)
    qtbot.waitUntil(lambda: listed(panel) == expected(scene, CELL_A, CELL_B))
    panel.turn.click()
    qtbot.waitUntil(lambda: listed(panel) == expected(scene, CELL_B, CELL_A))
    assert panel.answer.heading.text() == "Region 2 against region 1"


def test_regions_that_are_moved_or_deleted_are_asked_again(qtbot, viewer, panel, scene):
    add(viewer, panel, "A", CELL_A)
    qtbot.waitUntil(lambda: listed(panel) == expected(scene, CELL_A))
    find_region(viewer, "A").data = [CELL_B]
    qtbot.waitUntil(lambda: listed(panel) == expected(scene, CELL_B))
    panel.drop.click()
    qtbot.waitUntil(lambda: panel.answer.heading.text() == "Whole picture")
    assert len(viewer.layers) == 1
    qtbot.waitUntil(lambda: not panel.drop.isEnabled())


def test_where_nothing_was_read_it_says_so(qtbot, viewer, panel):
    add(viewer, panel, "A", CELL_A + 400)
    qtbot.waitUntil(lambda: "nothing was read" in panel.answer.list.empty)
    assert listed(panel) == []


def test_the_filter_for_those_that_fire_everywhere(qtbot, viewer, panel, session, scene):
    session.hide_everywhere = True
    wanted = rank(scene, [], True).index.tolist()[:30]
    qtbot.waitUntil(lambda: listed(panel) == wanted)
    assert wanted != rank(scene, [], False).index.tolist()[:30]


def test_no_picture(panel, session):
    session.set_scene(None)
    assert panel.answer.list.empty == "No picture has been read yet."


def test_hidden_it_hears_neither_session_nor_layers(viewer, panel, session):
    panel.start("A")
    layer = find_region(viewer, "A")
    for _ in range(20):
        panel.hide()
        panel.show()
    heard = len(layer.events.data.callbacks), len(viewer.layers.events.removed.callbacks)
    panel.hide()
    assert len(layer.events.data.callbacks) == heard[0] - 1
    assert len(viewer.layers.events.removed.callbacks) == heard[1] - 1
    assert len(session.scene_changed) == 0


def test_how_a_shape_is_drawn_is_told_until_it_is(qtbot, viewer, panel):
    assert panel.hint.isHidden()
    panel.start("A")
    assert "a double click ends" in panel.hint.text() and panel.hint.isVisible()
    panel.shapes.setCurrentText("ellipse")
    panel.start("A")
    assert "Drag" in panel.hint.text()
    find_region(viewer, "A").add_polygons([CELL_A])
    qtbot.waitUntil(lambda: panel.hint.isHidden())


def test_headings():
    assert heading_of([]) == "Whole picture"
    assert heading_of(["B"]) == "Region 2 against what surrounds it"
    assert heading_of(["A", "B"]) == "Region 1 against region 2"


def test_rank_of_nothing_is_the_pictures(scene):
    whole = rank(scene, [], False)
    assert whole.columns.tolist() == ["max"]
    assert (np.diff(whole["max"]) <= 0).all()
    assert rank(scene, [[CELL_A]], False).columns[0] == "score"
