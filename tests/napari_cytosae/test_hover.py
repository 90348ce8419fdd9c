"""Moving, clicking, Escape: the patch under the cursor, outlined."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils._test_utils import read_only_mouse_event
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from cytosae_toolkit.explore.scene import Spot
from napari_cytosae._hover import Hover
from napari_cytosae._pixels import picture_of


@pytest.fixture
def hover(qapp, viewer, session, scene, layer):
    hover = Hover(viewer, session)
    hover.start()
    hover.show_on(picture_of(layer))
    session.set_scene(scene)
    yield hover
    hover.stop()


def event(kind, world, pos=(0, 0), **options):
    return read_only_mouse_event(kind, position=tuple(world), pos=np.array(pos), **options)


def world(layer, x, y):
    return layer.data_to_world((y - 0.5, x - 0.5))


def click(viewer, at, moved=(), **options):
    mouse_press_callbacks(viewer, event("mouse_press", at, button=1, **options))
    for pos in moved:
        mouse_move_callbacks(viewer, event("mouse_move", at, pos, is_dragging=True, button=1))
    mouse_release_callbacks(viewer, event("mouse_release", at, button=1))


def outlined(hover):
    """Colour → box (y0, x0, y1, x1) in the layer, of what can be seen."""
    layer = hover.outlines
    if layer is None or not layer.visible:
        return {}
    return {
        tuple(np.round(colour[:3], 2)): (*upper[0, :-1], left[0, -1], *lower[0, :-1], right[0, -1])
        for colour, (upper, lower, left, right) in zip(
            layer.edge_color[::4], layer.data.reshape(2, 4, 2, -1), strict=True
        )
        if colour[3] > 0
    }


GREEN, RED = (0.0, 0.62, 0.45), (0.84, 0.37, 0.0)


def test_the_patch_under_the_cursor_is_told_and_outlined(hover, session, viewer, layer, qtbot):
    mouse_move_callbacks(viewer, event("mouse_move", world(layer, 10.1, 5.1)))
    assert session.spot == Spot(0, 0, 0)
    assert outlined(hover) == {GREEN: (4.5, 9.5, 14.5, 19.5)}
    mouse_move_callbacks(viewer, event("mouse_move", world(layer, 49.9, 19.9)))
    qtbot.waitUntil(lambda: session.spot == Spot(0, 1, 3), timeout=1000)
    mouse_move_callbacks(viewer, event("mouse_move", world(layer, 5, 3)))
    qtbot.waitUntil(lambda: session.spot is None, timeout=1000)
    assert outlined(hover) == {}


@pytest.mark.parametrize(("zoom", "width"), [(0.1, 4.0), (4, 2.0), (1000, 0.8)])
def test_outlines_are_seen_at_every_zoom(hover, viewer, layer, zoom, width):
    """Two pixels of the screen at least, 8 % of a patch (10 pixels of the picture) usually, 40 % at most."""
    getattr(viewer, "scene", viewer).camera.zoom = zoom
    mouse_move_callbacks(viewer, event("mouse_move", world(layer, 10.1, 5.1)))
    assert float(np.max(hover.outlines.edge_width)) == pytest.approx(width)


def test_moving_within_a_patch_tells_nothing(hover, session, layer):
    told = []
    session.spot_changed.connect(lambda: told.append(session.spot))
    for x in np.linspace(10.1, 19.9, 30):
        hover.look(world(layer, x, 8))
    assert told == [Spot(0, 0, 0)]


def test_a_click_pins_and_escape_takes_it_away(hover, session, viewer, layer):
    click(viewer, world(layer, 12, 8))
    assert session.pinned == Spot(0, 0, 0)
    hover.look(world(layer, 25, 8))
    assert outlined(hover) == {RED: (4.5, 9.5, 14.5, 19.5), GREEN: (4.5, 19.5, 14.5, 29.5)}
    hover.look(world(layer, 1, 1))
    assert outlined(hover) == {RED: (4.5, 9.5, 14.5, 19.5)}
    click(viewer, world(layer, 1, 1))
    assert session.pinned == Spot(0, 0, 0)  # beside the cells there is nothing to pin
    from napari.utils.key_bindings import coerce_keybinding

    viewer.keymap[coerce_keybinding("Escape")](viewer)
    assert session.pinned is None
    assert outlined(hover) == {}


def test_a_drag_or_a_drawing_is_no_click(hover, session, viewer, layer):
    click(viewer, world(layer, 12, 8), moved=[(1, 1), (9, 0), (0, 0)])
    assert session.pinned is None
    click(viewer, world(layer, 12, 8), modifiers=["Shift"])
    assert session.pinned is None
    drawing = viewer.add_shapes()
    drawing.mode = "add_rectangle"
    click(viewer, world(layer, 12, 8))
    assert session.pinned is None
    drawing.mode = "pan_zoom"
    click(viewer, world(layer, 12, 8), moved=[(1, 1), (2, 2)])
    assert session.pinned == Spot(0, 0, 0)


def test_the_outline_follows_the_picture_and_steals_nothing(hover, session, viewer, layer):
    hover.look(world(layer, 12, 8))
    assert viewer.layers.selection.active is layer
    outlines, many = hover.outlines, len(viewer.layers)
    layer.scale, layer.translate = (3, 4), (1, 2)
    np.testing.assert_allclose(outlines.data_to_world((7, 9)), layer.data_to_world((7, 9)))
    hover.look(world(layer, 42, 8))
    assert hover.outlines is outlines and len(viewer.layers) == many
    viewer.layers.remove(outlines)
    hover.look(world(layer, 12, 8))
    assert hover.outlines in viewer.layers
    viewer.layers.remove(layer)
    hover.look(world(layer, 42, 8))
    session.set_scene(None)
    assert outlined(hover) == {}


def test_moving_the_outline_tells_the_viewer_of_nothing_but_the_drawing(hover, viewer, layer):
    hover.look(world(layer, 12, 8))
    told = []
    for name in ("data", "thumbnail", "_extent_augmented", "edge_color", "edge_width", "visible", "set_data"):
        getattr(hover.outlines.events, name).connect(lambda event: told.append(event.type))
    hover.look(world(layer, 25, 8))
    assert told == ["set_data"]


def test_another_slice_has_no_patches(qapp, viewer, session, explorer, picture):
    from cytosae_toolkit.explore.analysing import analyse

    movie = viewer.add_image(np.stack([picture, picture[::-1]]), rgb=True)
    viewer.dims.set_point(0, 1)
    found = picture_of(movie, viewer.dims)
    hover = Hover(viewer, session)
    hover.start()
    hover.show_on(found)
    session.set_scene(analyse(explorer, found.field, "cell"))
    hover.look((1, 5, 5))
    assert session.spot == Spot(0, 0, 0)
    assert outlined(hover) == {GREEN: (1, -0.5, -0.5, 1, 22.0, 32.0)}
    hover.look((0, 5, 5))
    assert session.spot is None
    hover.stop()


def test_started_and_stopped_twenty_times_nothing_is_left(hover, session, viewer, layer):
    signals = [session.spot_changed, session.pinned_changed, session.scene_changed]

    def connected():
        return (
            [len(signal) for signal in signals],
            [len(getattr(layer.events, name).callbacks) for name in ("scale", "translate", "units")],
            list(viewer.mouse_move_callbacks),
            list(viewer.mouse_drag_callbacks),
            dict(viewer.keymap),
            len(viewer.layers),
        )

    hover.stop()
    before = connected()
    for _ in range(20):
        hover.start()
        hover.start()
        hover.look(world(layer, 12, 8))
        assert len(viewer.layers) == 2
        hover.stop()
        hover.stop()
    assert connected() == before
    mouse_move_callbacks(viewer, event("mouse_move", world(layer, 42, 8)))
    hover.look(world(layer, 42, 8))
    assert session.spot == Spot(0, 0, 0)
