from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from napari.components import ViewerModel

from napari_cytosae._session import Session
from napari_cytosae._widget import TABS, CytosaeWidget

SETTLED, GROWTH = 5, 30
"""Rounds of closing and opening after which no more objects may be added, but for so many in fifteen."""


@pytest.fixture
def widget(qtbot, viewer, picture):
    viewer.add_image(picture, name="smear", rgb=True)
    widget = CytosaeWidget(viewer)
    qtbot.addWidget(widget)
    widget.show()
    return widget


@pytest.fixture
def opened(qtbot, widget, atlas):
    widget.start_page.open(atlas.path)
    qtbot.waitUntil(lambda: widget.session.scene is not None and not widget.load.jobs.busy, timeout=60_000)
    return widget


def callbacks(viewer, session):
    """Count everything that may call the dock."""
    emitters = [
        *viewer.layers.events.emitters.values(),
        *viewer.layers.selection.events.emitters.values(),
        *viewer.layers["smear"].events.emitters.values(),
    ]
    signals = [value for name in dir(session) if hasattr(value := getattr(session, name), "emit")]
    return {
        "napari": sum(len(emitter.callbacks) for emitter in emitters),
        "session": sum(len(signal) for signal in signals),
        "mouse": len(viewer.mouse_move_callbacks) + len(viewer.mouse_drag_callbacks),
        "keys": len(viewer.keymap),
        "layers": len(viewer.layers),
    }


def count_objects():
    gc.collect()
    return len(gc.get_objects())


def test_only_the_start_page_is_there_before_anything_is_open(widget):
    assert [widget.tabs.tabText(i) for i in range(widget.tabs.count())] == ["Start"]
    assert not widget.panels


def test_opening_an_atlas_adds_the_tabs_once_and_reads_the_picture(opened, qtbot, atlas):
    titles = [opened.tabs.tabText(i) for i in range(opened.tabs.count())]
    assert titles == ["Start", "Load", *(tab[0] for tab in TABS), "Help"]
    assert opened.session.scene.shape == (90, 130)
    opened.start_page.open(atlas.path)
    qtbot.waitUntil(lambda: not opened.start_page.jobs.busy, timeout=60_000)
    assert opened.tabs.count() == len(titles)


def test_the_open_atlas_is_named(widget, qtbot, atlas, run_folder):
    from napari_cytosae._sources import open_source

    assert not widget.source.whole
    widget.resize(600, 500)
    widget.session.set_source(None, atlas)
    assert (widget.source.text(), widget.source.toolTip()) == ("<small>Atlas a.atlas.zarr</small>", str(atlas.path))
    widget.session.set_source(open_source(run_folder).explorer, None)
    assert (widget.source.whole, widget.source.toolTip()) == (f"Model {run_folder.name}", str(run_folder))
    widget.source.say("Atlas " + 30 * "long name ")
    qtbot.wait(1)
    assert "…" in widget.source.text() and widget.width() == 600


def test_the_chosen_concept_is_laid_over_the_picture(opened):
    opened.session.choose(90)
    assert opened.heat.layer(0) in opened.viewer.layers
    assert opened.heat.picture is opened.load.picture
    assert "smear" in opened.heat.layer(0).name


def test_the_boxes_that_were_read_are_outlined_as_long_as_the_dock_is_open(opened, scene):
    opened.session.set_scene(scene)
    assert "cells read" in opened.viewer.layers
    opened.hide()
    assert "cells read" not in opened.viewer.layers
    opened.show()
    assert "cells read" in opened.viewer.layers


def test_twenty_times_closed_and_reopened_nothing_is_left_or_doubled(opened, qtbot, picture):
    opened.session.choose(90)
    opened.session.spot = opened.session.pinned = opened.session.scene.locate(30, 25)
    opened.hide()
    qtbot.wait(1)
    hidden = callbacks(opened.viewer, opened.session)
    opened.show()
    qtbot.wait(1)
    shown = callbacks(opened.viewer, opened.session)
    for i in range(20):
        opened.hide()
        qtbot.wait(1)
        assert callbacks(opened.viewer, opened.session) == hidden
        opened.show()
        qtbot.wait(1)
        assert callbacks(opened.viewer, opened.session) == shown
        if i == SETTLED:
            objects = count_objects()
    assert count_objects() - objects < GROWTH
    assert hidden["layers"] == 1 and shown["layers"] >= 3
    fresh = ViewerModel()
    fresh.add_image(picture, name="smear", rgb=True)
    assert hidden == callbacks(fresh, Session())


def test_keys_bring_panels_to_the_front(opened):
    opened.bring("Gallery")
    assert opened.tabs.tabText(opened.tabs.currentIndex()) == "Gallery"
    opened._name()
    assert opened.tabs.tabText(opened.tabs.currentIndex()) == "Name"


def test_the_gallery_leads_to_cells_like_the_clicked_patch(opened, qtbot):
    opened.session.pinned = opened.session.scene.locate(30, 25)
    opened.bring("Gallery")
    opened.panels["Gallery"].alike.click()
    assert opened.tabs.tabText(opened.tabs.currentIndex()) == "Ask"
    qtbot.waitUntil(lambda: bool(opened.panels["Ask"].alike.grid.cells.cells))


def test_building_the_dock_imports_no_torch():
    script = (
        "import sys; from qtpy.QtWidgets import QApplication; app = QApplication([]);"
        "from napari.components import ViewerModel; from napari_cytosae._widget import CytosaeWidget;"
        "widget = CytosaeWidget(ViewerModel()); widget.show(); app.processEvents();"
        "assert not {'torch', 'timm', 'anndata', 'sklearn'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=120)
