"""The cells that were read, outlined."""

from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.explore.scene import Scene
from napari_cytosae._load_form import is_image, is_shapes
from napari_cytosae._parts import PartOutlines
from napari_cytosae._pixels import picture_of
from tests.napari_cytosae.conftest import BOXES


@pytest.fixture
def parts(viewer, session, scene, layer):
    parts = PartOutlines(viewer, session)
    parts.start()
    parts.show_on(picture_of(layer))
    session.set_scene(scene)
    yield parts
    parts.stop()


def test_each_box_that_was_read_is_outlined_over_the_picture(parts, viewer, layer):
    upper, lower, left, right = (parts.layer.data[i::4] for i in range(4))
    found = np.stack([left[:, 0, 1], upper[:, 0, 0], right[:, 0, 1], lower[:, 0, 0]], axis=1) + 0.5
    np.testing.assert_allclose(found, BOXES)
    assert viewer.layers.index(parts.layer) == viewer.layers.index(layer) + 1
    layer.translate = (3, 4)
    np.testing.assert_allclose(parts.layer.data_to_world((5, 7)), layer.data_to_world((5, 7)))


def test_it_is_nobodys_picture_or_boxes_and_leaves_the_selection(parts, viewer, layer):
    assert viewer.layers.selection.active is layer
    assert not is_image(parts.layer) and not is_shapes(parts.layer)


def test_the_outlines_are_as_thin_on_the_screen_at_every_zoom(parts, viewer):
    for zoom in (1, 5, 40):
        viewer.scene.camera.zoom = zoom
        on_screen = float(np.max(parts.layer.edge_width)) * zoom * 0.25
        assert on_screen <= 2.5 and (on_screen >= 1.6 or float(np.max(parts.layer.edge_width)) == pytest.approx(4))


def test_another_reading_replaces_them_and_they_go_with_the_scene(parts, viewer, session, layer, scene, cell_scene):
    before, sides = parts.layer, len(parts.layer.data)
    parts.show_on(picture_of(layer))
    session.set_scene(Scene(scene.explorer, scene.kind, scene.shape, scene.parts[:1]))
    assert parts.layer is before and before in viewer.layers
    assert len(before.data) == sides / len(scene.parts) < sides
    parts.show_on(picture_of(viewer.add_image(layer.data)))
    assert parts.layer is None and before not in viewer.layers, "they were another picture's"
    viewer.layers.pop()
    parts.show_on(picture_of(layer))
    session.set_scene(scene)
    assert len(parts.layer.data) == sides
    session.set_scene(cell_scene)  # the whole picture
    assert parts.layer is None and len(viewer.layers) == 1
    session.set_scene(scene)
    session.set_scene(None)
    assert parts.layer is None and len(viewer.layers) == 1


def test_stopped_nothing_is_left(parts, viewer, session, layer):
    emitters = [*layer.events.emitters.values(), *viewer.scene.camera.events.emitters.values()]

    def listening():
        return sum(len(emitter.callbacks) for emitter in emitters) + len(session.scene_changed)

    running = listening()
    parts.stop()
    stopped = listening()
    assert stopped < running and len(viewer.layers) == 1
    for _ in range(5):
        parts.start()
        assert len(viewer.layers) == 2 and listening() == running
        parts.stop()
    assert listening() == stopped and len(viewer.layers) == 1
