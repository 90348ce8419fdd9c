"""A list under a heading."""

from __future__ import annotations

import pandas as pd

from napari_cytosae._answers import MOST, Answer
from napari_cytosae._rows import activation_column


def test_an_answer_shows_the_first_of_a_table_and_forgets(qtbot, session):
    answer = Answer(session, activation_column(), "Nothing.")
    qtbot.addWidget(answer)
    table = pd.DataFrame({"activation": range(40)}, index=pd.RangeIndex(40, name="latent"))
    answer.show_table("Here", table, "activation")
    assert answer.heading.text() == "Here"
    assert answer.list.latents.tolist() == list(range(MOST))
    answer.forget("There")
    assert answer.list.latents.tolist() == []
