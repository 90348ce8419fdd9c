"""How rows of concepts are painted."""

from __future__ import annotations

import pytest
from qtpy.QtGui import QColor

from napari_cytosae import _rows
from napari_cytosae._concept_list import ConceptList
from napari_cytosae._facts import facts_of
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._rows import activation_column

VALUE = activation_column()
COLUMNS = (_rows.CONCEPT, VALUE, _rows.FREQUENCY, _rows.PURITY)


@pytest.fixture
def shown(qtbot, session):
    """A list of three concepts on the screen."""
    listed = ConceptList(session, COLUMNS, empty="Nothing.")
    qtbot.addWidget(listed)
    listed.resize(400, 200)
    listed.show()
    listed.show_rows([50, 7, 90], [2.0, 1.0, 0.5])
    return listed


@pytest.mark.parametrize(("background", "text"), [("#262930", "#f0f1f2"), ("#ffffff", "#3b3a39")])
def test_marks_bars_and_badges_are_painted_on_both_themes(shown, session, background, text):
    facts_of(session).flags["flag_colour"][7] = True
    shown.setStyleSheet(f"QTableView {{ background-color: {background}; color: {text}; }}")
    session.choose(7)
    plain = shown.grab().toImage()
    session.choose(50, 1)
    image = shown.grab().toImage()
    colours = {image.pixelColor(x, y).name() for x in range(40) for y in range(image.height())}
    assert QColor(ACCENTS[0]).name() in colours
    assert QColor(ACCENTS[1]).name() in colours
    assert plain != image
    facts_of(session).flags["flag_colour"][7] = False
    shown.viewport().update()
    assert shown.grab().toImage() != image, "the badge is gone"
