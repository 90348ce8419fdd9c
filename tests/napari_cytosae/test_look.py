from __future__ import annotations

import pytest

from napari_cytosae._help import SHORTCUTS
from napari_cytosae._look import STEPS, LookPanel


@pytest.fixture
def look(qtbot, session):
    look = LookPanel(session)
    qtbot.addWidget(look)
    look.show()
    return look


def test_sliders_follow_the_session_and_change_it(look, session):
    session.choose(40)
    full = session.full_scale(40)
    look.threshold.setValue(STEPS // 2)
    assert session.threshold == pytest.approx(full / 2)
    assert look.value.text() == f"{full / 2:.3g}"
    look.opacity.setValue(STEPS // 4)
    assert session.opacity == 0.25
    session.opacity = 0.5
    assert look.opacity.value() == STEPS // 2


def test_another_concept_keeps_the_threshold_in_units_of_activation(look, session):
    session.choose(40)
    session.threshold = session.full_scale(40) / 2
    session.choose(90)
    assert session.threshold == pytest.approx(session.full_scale(40) / 2)


def test_hidden_it_hears_nothing_and_catches_up(look, session):
    look.hide()
    session.opacity = 0.1
    assert look.opacity.value() != STEPS // 10
    look.show()
    assert look.opacity.value() == STEPS // 10


def test_the_heat_map_is_hidden_and_shown_beside_its_sliders(look, session):
    look.shown.click()
    assert not session.heat_shown
    session.heat_shown = True
    assert look.shown.isChecked()
    session.heat_shown = False
    look.opacity.setValue(STEPS // 4)
    assert session.heat_shown, "who changes how strong it is wants to see it"


def test_the_key_stands_beside_the_box(look):
    key = next(shortcut.key for shortcut in SHORTCUTS if shortcut.action == "toggle")
    assert f"({key})" in look.shown.text()
