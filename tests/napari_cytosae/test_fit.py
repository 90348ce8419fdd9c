"""A picture fits into the canvas once the panels beside it have their sizes."""

from __future__ import annotations

import pytest
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_cytosae import _fit
from napari_cytosae._fit import Fit

WIDE, NARROW = (700, 900), (700, 500)
"""Sizes of a canvas, height and width."""
WHOLE = 500 * 0.95 / 130
"""Zoom at which the picture, 130 pixels wide, fits into the narrow canvas."""


@pytest.fixture
def fit(qapp, viewer, monkeypatch):
    monkeypatch.setattr(_fit, "SETTLED_MS", 20)
    parent = QObject()
    viewer.canvas.size = WIDE
    fit = Fit(viewer, parent)
    fit.start()
    yield fit
    fit.stop()


def zoom(viewer):
    return viewer.scene.camera.zoom


def test_the_first_picture_is_fitted_again_when_the_canvas_has_become_narrower(fit, viewer, picture, qtbot):
    viewer.add_image(picture)
    assert zoom(viewer) > WHOLE * 1.5
    viewer.canvas.size = NARROW
    qtbot.waitUntil(lambda: zoom(viewer) == pytest.approx(WHOLE), timeout=2000)
    viewer.canvas.size = (700, 400)
    fit.again()
    qtbot.waitUntil(lambda: zoom(viewer) == pytest.approx(WHOLE * 0.8), timeout=2000)


def test_a_camera_that_the_user_moved_stays(fit, viewer, picture, qtbot):
    viewer.add_image(picture)
    viewer.canvas.size = NARROW
    viewer.scene.camera.center = (0, 30, 30)
    before = zoom(viewer)
    qtbot.wait(150)
    fit.again()
    qtbot.wait(150)
    assert zoom(viewer) == before and tuple(viewer.scene.camera.center) == (0, 30, 30)


def test_a_picture_that_fits_when_the_dock_opens_is_kept_whole_but_an_enlarged_one_stays(fit, viewer, picture, qtbot):
    fit.stop()
    viewer.add_image(picture)
    fit.start()
    viewer.canvas.size = NARROW
    qtbot.waitUntil(lambda: zoom(viewer) == pytest.approx(WHOLE), timeout=2000)
    fit.stop()
    viewer.scene.camera.zoom = 9
    fit.start()
    viewer.canvas.size = WIDE
    qtbot.wait(150)
    assert zoom(viewer) == 9


def test_a_picture_that_was_fitted_before_the_dock_took_its_room_is_fitted_again(viewer, picture, qtbot, monkeypatch):
    monkeypatch.setattr(_fit, "SETTLED_MS", 20)
    dock = QWidget()
    dock.resize(400, 700)
    qtbot.addWidget(dock)
    viewer.canvas.size = WIDE
    viewer.add_image(picture)
    fitted = zoom(viewer)
    viewer.canvas.size = NARROW
    for enlarged, expected in ((fitted, WHOLE), (1.5 * fitted, 1.5 * fitted)):
        viewer.scene.camera.zoom = enlarged
        fit = Fit(viewer, dock)
        fit.start()
        qtbot.wait(150)
        assert zoom(viewer) == pytest.approx(expected)
        fit.stop()


def test_stopped_it_does_nothing(fit, viewer, picture, qtbot):
    fit.stop()
    viewer.add_image(picture)
    viewer.canvas.size = NARROW
    qtbot.wait(150)
    assert zoom(viewer) > WHOLE * 1.5
