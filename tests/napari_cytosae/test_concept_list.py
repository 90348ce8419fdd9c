"""Lists of concepts as they are seen and clicked."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt

from napari_cytosae import _concept_list
from napari_cytosae._rows import SLOTS
from napari_cytosae._widget import WIDTH


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


def test_a_click_chooses_and_a_modified_one_chooses_the_second(qtbot, concept_list, session):
    click(qtbot, concept_list, 1)
    assert (session.latent(0), session.latent(1)) == (7, None)
    click(qtbot, concept_list, 2, Qt.KeyboardModifier.ShiftModifier)
    assert (session.latent(0), session.latent(1)) == (7, 90)
    assert concept_list.currentIndex().row() == 1, "the first one stays selected"
    assert {index.row() for index in concept_list.selectedIndexes()} == {1}
    assert [concept_list.rows.index(row, 0).data(SLOTS) for row in range(3)] == [[], [0], [1]]


def test_keys_choose(qtbot, concept_list, session):
    session.choose(50)
    qtbot.keyClick(concept_list, Qt.Key.Key_Down)
    assert session.latent(0) == 7


def test_new_rows_choose_nothing(concept_list, session):
    session.choose(7)
    concept_list.show_rows([1, 2, 7], [1, 1, 1])
    assert session.latent(0) == 7
    assert concept_list.currentIndex().row() == 2
    concept_list.show_rows([1, 2], [1, 1])
    assert session.latent(0) == 7
    assert not concept_list.selectedIndexes()


def test_another_atlas_empties_it(concept_list, session):
    session.set_source(session.explorer, None)
    assert concept_list.rows.rowCount() == 0


def test_hidden_it_hears_nothing_and_catches_up(concept_list, session):
    concept_list.hide()
    session.annotate([7], name="late")
    assert texts(concept_list)[1] == "candidate concept 7"
    concept_list.show()
    assert texts(concept_list)[1] == "late (7)"
    assert concept_list.rows.rowCount() == 3, "the rows stay"


def test_an_empty_list_says_so(concept_list):
    concept_list.show_rows((), ())
    assert np.ptp([concept_list.grab().toImage().pixelColor(x, 100).lightness() for x in range(400)]) > 0


def test_the_cell_type_is_seen_without_scrolling_at_the_docks_width(concept_list, qtbot):
    concept_list.resize(WIDTH - 28, 300)
    place = [column.key for column in concept_list.rows.columns].index("label")

    def right():
        return concept_list.columnViewportPosition(place) + concept_list.columnWidth(place)

    assert right() <= concept_list.viewport().width()
    named, typed = concept_list.columnWidth(0), concept_list.columnWidth(place)
    concept_list.resize(2 * WIDTH, 300)
    assert concept_list.columnWidth(0) > named
    concept_list.resize(WIDTH - 50, 300)
    assert concept_list.columnWidth(place) < typed, "the cell type is cut where there is no room"
    assert right() <= concept_list.viewport().width()
