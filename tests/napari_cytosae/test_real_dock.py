"""The dock in a real window: closed and opened again, and closed with the window while it works."""

from __future__ import annotations

import threading

import pytest

from napari_cytosae import _jobs, _load
from napari_cytosae._widget import CytosaeWidget

TIMES = 3
"""Opening takes a second each time; twenty times, and the memory, are tested without a window."""


@pytest.fixture
def window(make_napari_viewer, qtbot, picture):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(picture, rgb=True, name="smear")
    qtbot.wait(100)
    return viewer


def add_dock(viewer, explorer, atlas):
    dock = CytosaeWidget(viewer)
    holder = viewer.window.add_dock_widget(dock, name="concepts")
    dock.session.set_source(explorer, atlas)
    dock._add_tabs()
    dock.load.choose_layer(viewer.layers["smear"])
    return dock, holder


def callbacks(viewer):
    """Count what is connected to the viewer, its layers and its canvas, and what is drawn."""
    layers, canvas = viewer.layers, viewer.window._qt_viewer.canvas
    groups = [viewer.events, viewer.dims.events, viewer.cursor.events, layers.events, layers.selection.events]
    groups += [layer.events for layer in layers]
    return {
        "layers": [layer.name for layer in layers],
        "napari": [sum(len(emitter.callbacks) for emitter in group.emitters.values()) for group in groups],
        "mouse": [len(viewer.mouse_move_callbacks), len(viewer.mouse_drag_callbacks)],
        "keys": len(viewer.keymap),
        "canvas": sum(len(emitter.callbacks) for emitter in canvas._scene_canvas.events.emitters.values()),
        "drawn": [len(canvas.layer_to_visual), len(canvas.view.scene.children)],
        "threads": threading.active_count(),
    }


def heard(session):
    return sum(len(signal) for name in dir(session) if hasattr(signal := getattr(session, name), "emit"))


@pytest.mark.gui
def test_closed_and_opened_again_nothing_is_left_on_the_canvas(window, qtbot, explorer, atlas):
    before = callbacks(window)
    dock, holder = add_dock(window, explorer, atlas)
    dock.load.form.read_as("windows")
    dock.load.analyse()
    qtbot.waitUntil(lambda: dock.session.scene is not None and not _jobs._running, timeout=30_000)
    for slot, latent in enumerate((93, 90)):
        dock.session.choose(latent, slot)
    dock.session.spot = dock.session.pinned = dock.session.scene.locate(60, 50)
    dock.bring("Ask")
    qtbot.waitUntil(lambda: not _jobs._running)
    shown = callbacks(window) | {"session": heard(dock.session)}
    assert shown["layers"][0] == "smear" and len(shown["layers"]) == 4
    for _ in range(TIMES):
        holder.hide()
        qtbot.wait(5)
        assert callbacks(window) == before
        assert heard(dock.session) == 0
        holder.show()
        qtbot.waitUntil(lambda: not _jobs._running)
        qtbot.wait(5)
        assert callbacks(window) | {"session": heard(dock.session)} == shown
    holder.hide()


def close_as_users_do(viewer):
    """Close the window without the viewer, and leave nothing that the fixture would close again."""
    viewer.window._teardown()
    viewer.window._qt_window.close()
    del viewer.window._qt_window


@pytest.mark.gui
@pytest.mark.parametrize("how", ["by the program", "by the user"])
def test_the_window_is_closed_while_a_picture_is_read(window, qtbot, explorer, atlas, monkeypatch, how):
    reached, go = threading.Event(), threading.Event()
    real = _load.read

    def held_up(*arguments):
        reached.set()
        assert go.wait(10)
        return real(*arguments)

    monkeypatch.setattr(_load, "read", held_up)
    dock, _ = add_dock(window, explorer, atlas)
    dock.session.choose(93)
    dock.load.analyse()
    assert reached.wait(10)
    session, job = dock.session, dock.load.jobs._job
    del dock
    if how == "by the program":
        window.close()
    else:
        close_as_users_do(window)
    qtbot.wait(50)
    go.set()
    qtbot.waitUntil(lambda: not job.running, timeout=20_000)
    qtbot.wait(50)
    assert session.scene is None
    assert not [thread for thread in threading.enumerate() if thread.name == "cytosae-job"]
