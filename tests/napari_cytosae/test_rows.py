"""What lists of concepts hold."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_cytosae import _rows
from napari_cytosae._facts import facts_of
from napari_cytosae._rows import ALIKE, BAR, CONTRAST, ConceptRows, strength_column

COLUMNS = (_rows.CONCEPT, strength_column("there"), _rows.FREQUENCY, _rows.LABEL)


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
    assert texts(rows, 3) == [facts.mostly(latent) for latent in (50, 7, 90)]
    assert "frequency" in rows.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_a_name_appears_where_it_is_given(rows, session):
    session.annotate([7], name="azure granules")
    rows.rename()
    assert texts(rows)[1] == "azure granules (7)"


def test_rows_of_another_atlas_are_known_for_it(rows, session):
    assert rows.current and rows.row_of(7) == 1 and rows.row_of(8) is None
    session.set_source(session.explorer, None)
    assert not rows.current


def test_a_bar_is_full_at_the_concepts_strongest_patch_whatever_else_is_listed(rows, session):
    largest = facts_of(session).largest
    one, other = np.flatnonzero(largest > 0)[:2].tolist()
    rows.show([one, other], [largest[one] / 2, largest[other] * 3])
    assert [rows.index(row, 1).data(BAR) for row in range(2)] == [0.5, 1.0]
    tip = rows.index(0, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert "50 % of its strongest patch in the atlas" in tip
    tip = rows.index(1, 1).data(Qt.ItemDataRole.ToolTipRole)
    assert "stronger than its strongest patch in the atlas" in tip and "100 %" not in tip.splitlines()[1]
    rows.show([one], [np.nan])
    assert rows.index(0, 1).data(BAR) == 0
    session.set_source(session.explorer, None)
    rows.show([one], [3.0])
    assert rows.index(0, 1).data(BAR) == 0, "nobody knows how strong it can be"


def test_likeness_is_a_share_and_contrast_has_no_scale(rows):
    rows.change_column(1, ALIKE)
    rows.show([50, 7], [0.9, 0.25])
    assert texts(rows, 1) == ["90 %", "25 %"]
    assert rows.index(0, 1).data(BAR) == 0.9
    rows.change_column(1, CONTRAST)
    assert texts(rows, 1) == ["0.9", "0.25"]
    assert rows.index(0, 1).data(BAR) is None
