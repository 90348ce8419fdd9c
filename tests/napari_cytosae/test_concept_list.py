"""Lists of concepts as they are seen and clicked."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cytosae import _concept_list, _rows
from napari_cytosae._concept_list import ConceptList
from napari_cytosae._rows import SLOTS, activation_column

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


def click(qtbot, listed, row, modifier=Qt.KeyboardModifier.NoModifier):
    place = listed.visualRect(listed.rows.index(row, 0)).center()
    # The view asks the application for modifiers, which only a real key press sets.
    _concept_list.QApplication.keyboardModifiers, before = (
        (lambda: modifier),
        _concept_list.QApplication.keyboardModifiers,
    )
    qtbot.mouseClick(listed.viewport(), Qt.MouseButton.LeftButton, modifier, place)
    _concept_list.QApplication.keyboardModifiers = before


def texts(listed, column=0):
    return [listed.rows.index(row, column).data() for row in range(listed.rows.rowCount())]


def test_a_click_chooses_and_a_modified_one_chooses_the_second(qtbot, shown, session):
    click(qtbot, shown, 1)
    assert (session.latent(0), session.latent(1)) == (7, None)
    click(qtbot, shown, 2, Qt.KeyboardModifier.ShiftModifier)
    assert (session.latent(0), session.latent(1)) == (7, 90)
    assert shown.currentIndex().row() == 1, "the first one stays selected"
    assert [shown.rows.index(row, 0).data(SLOTS) for row in range(3)] == [[], [0], [1]]


def test_keys_choose(qtbot, shown, session):
    session.choose(50)
    qtbot.keyClick(shown, Qt.Key.Key_Down)
    assert session.latent(0) == 7


def test_new_rows_choose_nothing(shown, session):
    session.choose(7)
    shown.show_rows([1, 2, 7], [1, 1, 1])
    assert session.latent(0) == 7
    assert shown.currentIndex().row() == 2
    shown.show_rows([1, 2], [1, 1])
    assert session.latent(0) == 7
    assert not shown.selectedIndexes()


def test_another_atlas_empties_it(shown, session):
    session.set_source(session.explorer, None)
    assert shown.rows.rowCount() == 0


def test_hidden_it_hears_nothing_and_catches_up(shown, session):
    shown.hide()
    session.annotate([7], name="late")
    assert texts(shown)[1] == "candidate concept 7"
    shown.show()
    assert texts(shown)[1] == "late (7)"
    assert shown.rows.rowCount() == 3, "the rows stay"


def test_an_empty_list_says_so(shown):
    shown.show_rows((), ())
    assert np.ptp([shown.grab().toImage().pixelColor(x, 100).lightness() for x in range(400)]) > 0
