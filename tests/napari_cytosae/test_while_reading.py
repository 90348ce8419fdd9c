"""What happens to the picture, the dock or the wish while a picture is read: no stale scene, overlay or thread."""

from __future__ import annotations

import threading

import pytest
from napari.layers import Image

from cytosae_toolkit.explore import Explorer, analysing, scene
from napari_cytosae import _jobs, _sources
from napari_cytosae._load_form import is_image
from napari_cytosae._widget import CytosaeWidget

LATENT = 93
STAGES = {
    "weights": (_sources, "missing_weights"),
    "scale": (analysing, "red_cells"),
    "cells": (analysing, "cell_boxes"),
    "tokens": (Explorer, "tokens"),
    "parts": (scene.Part, "__init__"),
    "summary": (scene.Scene, "latents"),
}
"""Where a reading can be held."""


@pytest.fixture
def dock(qtbot, viewer, picture, explorer, atlas):
    viewer.add_image(picture, name="smear", rgb=True)
    dock = CytosaeWidget(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock.session.set_source(explorer, atlas)
    dock._add_tabs()
    dock.bring("Concepts")
    dock.load.choose_layer(viewer.layers["smear"])
    dock.session.choose(LATENT)
    yield dock
    dock.hide()
    qtbot.waitUntil(lambda: not _jobs._running, timeout=20_000)
    assert not [thread for thread in threading.enumerate() if thread.name == "cytosae-job"]


@pytest.fixture
def held(monkeypatch):
    """Return a function that holds readings at a stage, and events: one says that it is reached, one lets it go."""
    reached, go = threading.Event(), threading.Event()

    def hold(stage):
        owner, name = STAGES[stage]
        real = getattr(owner, name)

        def held_up(*arguments, **options):
            reached.set()
            assert go.wait(10)
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, held_up)
        return reached, go

    yield hold
    go.set()


def begin(dock, held, stage="tokens", kind="cells"):
    reached, go = held(stage)
    dock.load.form.read_as(kind)
    dock.load.analyse()
    assert reached.wait(10)
    return go


def idle(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.load.jobs.busy and not _jobs._running, timeout=20_000)
    qtbot.wait(1)


def overlays(dock):
    return [layer.name for layer in dock.viewer.layers if isinstance(layer, Image) and not is_image(layer)]


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_at_any_stage_leaves_nothing_and_the_next_reading_works(qtbot, dock, held, stage):
    go = begin(dock, held, stage)
    dock.load.jobs.cancel_button.click()
    go.set()
    idle(qtbot, dock)
    assert dock.session.scene is None and dock.load.picture is None
    assert overlays(dock) == []
    assert dock.load.result.text() == "Stopped."
    dock.load.analyse()
    idle(qtbot, dock)
    assert len(dock.session.scene.parts) == 3
    assert len(overlays(dock)) == 1


def test_cancel_when_the_result_is_on_its_way_drops_it(qtbot, dock):
    dock.load.analyse()
    dock.load.jobs._job._thread.join(20)
    dock.load.jobs.cancel()
    idle(qtbot, dock)
    assert dock.session.scene is None
    assert dock.load.result.text() == "Stopped."


def remove(dock, picture):
    dock.viewer.layers.remove("smear")


def replace_layer(dock, picture):
    from napari.layers import Image

    dock.viewer.layers[0] = Image(picture[::-1].copy(), rgb=True, name="smear")


def replace_data(dock, picture):
    dock.viewer.layers["smear"].data = picture[::-1].copy()


def other_atlas(dock, picture):
    dock.session.set_source(None, None)


@pytest.mark.parametrize("tab", ["Load", "Concepts"])
@pytest.mark.parametrize("change", [remove, replace_layer, replace_data, other_atlas])
def test_a_picture_that_is_gone_shows_nothing(qtbot, dock, held, picture, change, tab):
    dock.bring(tab)
    go = begin(dock, held)
    change(dock, picture)
    go.set()
    idle(qtbot, dock)
    assert dock.session.scene is None and dock.load.picture is None
    assert overlays(dock) == []


@pytest.mark.parametrize("tab", ["Load", "Concepts"])
@pytest.mark.parametrize("change", [remove, replace_layer, replace_data, other_atlas])
def test_a_picture_that_goes_while_another_reading_runs_takes_its_heat_map_along(
    qtbot, dock, held, picture, change, tab
):
    dock.bring(tab)
    dock.load.analyse()
    idle(qtbot, dock)
    assert len(overlays(dock)) == 1
    go = begin(dock, held)
    change(dock, picture)
    qtbot.wait(1)
    assert overlays(dock) == []
    go.set()
    idle(qtbot, dock)
    assert dock.session.scene is None and dock.load.picture is None
    assert all(dock.panels[title]._picture is None for title in ("Ask", "Export"))
    assert overlays(dock) == []


def rename(dock, picture):
    dock.viewer.layers["smear"].name = "anything"


def reorder(dock, picture):
    dock.viewer.add_image(picture[:40], rgb=True, name="other")
    dock.viewer.layers.reverse()


def move(dock, picture):
    dock.viewer.layers["smear"].translate = (50, 60)


@pytest.mark.parametrize("change", [rename, reorder, move])
def test_a_picture_that_stays_gets_its_heat_map(qtbot, dock, held, picture, change):
    layer = dock.viewer.layers["smear"]
    go = begin(dock, held)
    change(dock, picture)
    go.set()
    idle(qtbot, dock)
    assert overlays(dock) == [f"{dock.session.describe(LATENT)} on {layer.name}"]
    assert tuple(dock.heat.layer(0).translate) == tuple(layer.translate)
    assert dock.viewer.layers.index(dock.heat.layer(0)) == dock.viewer.layers.index(layer) + 1


def test_data_replaced_while_the_dock_is_closed_shows_nothing_when_it_opens(qtbot, dock, picture):
    dock.load.analyse()
    idle(qtbot, dock)
    dock.hide()
    replace_data(dock, picture)
    dock.show()
    qtbot.wait(1)
    assert dock.session.scene is None and overlays(dock) == []


@pytest.mark.parametrize("gone", [False, True])
def test_a_reading_ends_while_the_dock_is_closed(qtbot, dock, held, picture, gone):
    go = begin(dock, held)
    dock.hide()
    if gone:
        replace_data(dock, picture)
    go.set()
    idle(qtbot, dock)
    assert overlays(dock) == []
    dock.show()
    qtbot.wait(1)
    assert len(overlays(dock)) == (0 if gone else 1)


def test_the_dock_is_destroyed_while_it_reads(qtbot, viewer, picture, explorer, atlas, held):
    viewer.add_image(picture, name="smear", rgb=True)
    dock = CytosaeWidget(viewer)
    dock.show()
    dock.session.set_source(explorer, atlas)
    dock.load.choose_layer(viewer.layers["smear"])
    go, session, job = begin(dock, held), dock.session, dock.load.jobs._job
    dock.hide()
    with qtbot.waitSignal(dock.destroyed, timeout=5000):
        dock.deleteLater()
    del dock
    viewer.layers.clear()
    go.set()
    qtbot.waitUntil(lambda: not job.running, timeout=10_000)
    assert session.scene is None
    assert not _jobs._running


def test_the_newest_wish_counts(qtbot, dock, held, picture):
    go = begin(dock, held)
    other = dock.viewer.add_image(picture[:40, :50], rgb=True, name="other")
    dock._analyse_cell(other)
    go.set()
    qtbot.waitUntil(lambda: dock.session.scene is not None, timeout=10_000)
    idle(qtbot, dock)
    assert dock.session.scene.kind == "cell" and dock.session.scene.shape == (40, 50)
    assert dock.load.picture.layer is other
