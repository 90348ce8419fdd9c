"""The colour bar says what a colour stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtGui import QImage

from napari_cytosae._colorbar import ColorBar, nice_ticks
from napari_cytosae._facts import number

LATENT = 93


@pytest.fixture
def bar(qtbot, session):
    bar = ColorBar(session)
    qtbot.addWidget(bar)
    bar.resize(240, 70)
    bar.show()
    return bar


def painted(bar):
    """Pixels of the widget, [h, w, 3]."""
    image = bar.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    return np.frombuffer(bits, np.uint8).reshape(image.height(), -1)[:, : 3 * image.width()].reshape(
        image.height(), image.width(), 3
    ).astype(int)  # fmt: skip


@given(st.floats(1e-6, 1e9))
def test_ticks_are_round_and_within(full):
    ticks = nice_ticks(full)
    assert ticks[0] == 0
    assert 2 <= len(ticks) <= 6
    assert ticks[-1] <= full * (1 + 1e-6)
    assert full - ticks[-1] < ticks[1] * (1 + 1e-6)


def test_a_scale_of_nothing_has_one_tick():
    assert nice_ticks(0) == nice_ticks(float("nan")) == [0]


def test_it_is_empty_until_a_latent_is_chosen(bar, session):
    assert (bar.title(), bar.ticks(), bar.sizeHint().height()) == ("", [], 0)
    session.choose(LATENT)
    assert bar.title() == f"candidate concept {LATENT}"
    assert bar.ticks() == nice_ticks(session.full_scale(LATENT))
    assert bar.sizeHint().height() > 0
    session.annotate([LATENT], name="granules")
    assert bar.title() == f"granules ({LATENT})"


def test_the_colour_grows_to_the_right_from_tau_on(bar, session):
    session.opacity = 0.85
    session.choose(LATENT)
    line = bar.fontMetrics().height()
    row = painted(bar)[line + 6]
    blue = row[15:225, 2]
    assert blue[0] > 200 and blue[-1] < 90
    assert (np.diff(blue) <= 1).all()
    session.threshold = session.full_scale(LATENT) / 2
    half = painted(bar)[line + 6][15:225, 2]
    assert half[:90].min() > 220
    assert half[100:108].min() < 40  # the mark
    np.testing.assert_allclose(half[115:], blue[115:], atol=2)


def test_hidden_it_hears_nothing(bar, session):
    bar.hide()
    assert len(session.latent_changed) == 0
    bar.show()
    assert len(session.latent_changed) == 1


def test_it_says_where_the_picture_goes_beyond_its_end(bar, session, scene):
    session.set_scene(scene)
    session.choose(LATENT)
    here = max(part.image.codes.heatmap(LATENT).max() for part in scene.parts)
    session.atlas.statistics.loc[LATENT, "max_activation"] = here / 2
    session.set_scene(scene)
    assert bar.remark() == f" · here up to {number(here)}, beyond the end"
    assert "goes beyond it" in bar.toolTip()
    session.atlas.statistics.loc[LATENT, "max_activation"] = here
    session.set_scene(scene)
    assert bar.remark() == "" and "beyond" not in bar.toolTip()
