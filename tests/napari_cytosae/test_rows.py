"""What lists of concepts hold."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_cytosae import _rows
from napari_cytosae._facts import facts_of
from napari_cytosae._rows import BAR, ConceptRows, activation_column

COLUMNS = (_rows.CONCEPT, activation_column(), _rows.FREQUENCY, _rows.PURITY)


@pytest.fixture
def rows(session):
    rows = ConceptRows(session, COLUMNS)
    rows.show([50, 7, 90], [2.0, 1.0, 0.5])
    return rows


def texts(rows, column=0):
    return [rows.index(row, column).data() for row in range(rows.rowCount())]


def test_rows_say_what_is_known(rows, session):
    facts = facts_of(session)
    assert texts(rows) == ["candidate concept 50", "candidate concept 7", "candidate concept 90"]
    assert texts(rows, 1) == ["2", "1", "0.5"]
    assert texts(rows, 2) == [_rows.percent(facts.frequency[latent]) for latent in (50, 7, 90)]
    assert [rows.index(row, 1).data(BAR) for row in range(3)] == [1.0, 0.5, 0.25]
    assert "frequency" in rows.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_a_name_appears_where_it_is_given(rows, session):
    session.annotate([7], name="azure granules")
    rows.rename()
    assert texts(rows)[1] == "azure granules (7)"


def test_rows_of_another_atlas_are_known_for_it(rows, session):
    assert rows.current and rows.row_of(7) == 1 and rows.row_of(8) is None
    session.set_source(session.explorer, None)
    assert not rows.current
