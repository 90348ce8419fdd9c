"""The scatter of concepts."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QPalette

from napari_cytosae._cloud import cloud_of
from napari_cytosae._facts import Facts, facts_of
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._scatter import ConceptScatter

THEMES = {"dark": ("#262930", "#f0f1f2"), "light": ("#f5f5f5", "#2b2b2b")}


@pytest.fixture
def plot(qtbot, session):
    """The scatter of all latents of the atlas, on the screen."""
    session.show_flagged, session.hide_everywhere = True, False
    widget = ConceptScatter(session)
    qtbot.addWidget(widget)
    widget.resize(420, 340)
    widget.show()
    return widget


def repaint(widget, theme):
    colours = widget.palette()
    for role, name in zip((QPalette.ColorRole.Window, QPalette.ColorRole.WindowText), THEMES[theme], strict=True):
        colours.setColor(role, QColor(name))
    widget.setPalette(colours)
    return widget.grab().toImage()


def test_every_concept_that_fires_has_a_place_within_the_frame(plot, session):
    facts, cloud = facts_of(session), plot.cloud
    assert sorted(cloud.latents.tolist()) == np.flatnonzero(facts.strength > 0).tolist()
    x, y = plot.place(cloud.x, cloud.y)
    assert plot.frame.left() < x.min() < x.max() < plot.frame.right()
    assert plot.frame.top() < y.min() < y.max() < plot.frame.bottom()
    strongest, commonest = int(cloud.x.argmax()), int(cloud.y.argmax())
    assert x[strongest] == x.max()
    assert y[commonest] == y.min(), "up is often"


def test_a_click_picks_the_nearest(qtbot, plot, session):
    x, y = plot.place(plot.cloud.x, plot.cloud.y)
    for i in range(0, len(x), 7):
        nearest = plot.nearest(QPointF(x[i], y[i]))
        near = int(np.flatnonzero(plot.cloud.latents == nearest)[0])
        assert np.hypot(x[near] - x[i], y[near] - y[i]) == 0
    point = QPoint(round(x[3]), round(y[3]))
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=point)
    assert session.latent(0) == plot.nearest(QPointF(point))
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, point)
    assert session.latent(1) == session.latent(0)


def test_a_click_far_from_all_picks_nothing(qtbot, plot, session):
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert session.latent(0) is None


def test_it_draws_what_the_filters_leave(plot, session):
    everywhere = set(np.flatnonzero(facts_of(session).frequency >= session.explorer.everywhere).tolist())
    limits = plot.cloud.limits
    session.hide_everywhere = True
    assert not everywhere & set(plot.cloud.latents.tolist())
    assert plot.cloud.limits == limits, "points stay where they are"


@pytest.mark.parametrize("theme", THEMES)
def test_themes_and_rings(plot, session, theme):
    image = repaint(plot, theme)
    assert image.pixelColor(300, 2).name() == THEMES[theme][0]
    session.choose(int(plot.cloud.latents[0]))
    session.choose(int(plot.cloud.latents[5]), 1)
    ringed = plot.grab().toImage()
    colours = {ringed.pixelColor(x, y).name() for x in range(420) for y in range(340)}
    assert {QColor(accent).name() for accent in ACCENTS} <= colours


def test_names_are_ringed(plot, session):
    before = plot.grab().toImage()
    session.annotate([int(plot.cloud.latents[0])], name="nucleus")
    assert plot.grab().toImage() != before


def test_resized_it_is_drawn_anew(plot):
    plot.resize(600, 200)
    assert plot.grab().width() == 600 * plot.devicePixelRatioF()


def test_nothing_open(qtbot):
    from napari_cytosae._session import Session

    widget = ConceptScatter(Session())
    qtbot.addWidget(widget)
    widget.show()
    assert widget.nearest(QPointF(100, 100)) is None
    assert not widget.grab().isNull()


def test_49152_points_are_drawn_quickly(plot, monkeypatch):
    n, rng = 49_152, np.random.default_rng(0)
    table = pd.DataFrame(rng.random((n, 3)), columns=["mean_activation", "frequency", "label_entropy"])
    plot._cloud = cloud_of(Facts.of_table(table), np.ones(n, dtype=bool))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        plot._redraw()
        plot.grab()
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.05
