"""A list under a heading."""

from __future__ import annotations

import pandas as pd
from qtpy.QtCore import Qt

from napari_cytosae._answers import MOST, Answer
from napari_cytosae._rows import CONTRAST, strength_column


def test_an_answer_shows_the_first_of_a_table_and_forgets(qtbot, session):
    answer = Answer(session, strength_column("there"), "Nothing.")
    qtbot.addWidget(answer)
    table = pd.DataFrame({"activation": range(40)}, index=pd.RangeIndex(40, name="latent"))
    answer.show_table("Here", table, "activation")
    assert answer.heading.text() == "Here"
    assert answer.list.latents.tolist() == list(range(MOST))
    assert answer.list.rows.headerData(1, Qt.Orientation.Horizontal) == "Here"
    answer.show_table("Here", table, "activation", CONTRAST)
    assert answer.list.rows.headerData(1, Qt.Orientation.Horizontal) == "Contrast"
    answer.forget("There")
    assert answer.list.latents.tolist() == []
