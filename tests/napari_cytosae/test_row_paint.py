"""How rows of concepts are painted."""

from __future__ import annotations

import pytest
from qtpy.QtGui import QColor

from napari_cytosae._facts import facts_of
from napari_cytosae._overlay import ACCENTS


@pytest.mark.parametrize(("background", "text"), [("#262930", "#f0f1f2"), ("#ffffff", "#3b3a39")])
def test_marks_bars_and_badges_are_painted_on_both_themes(concept_list, session, background, text):
    facts_of(session).flags["flag_colour"][7] = True
    concept_list.setStyleSheet(f"QTableView {{ background-color: {background}; color: {text}; }}")
    session.choose(7)
    plain = concept_list.grab().toImage()
    session.choose(50, 1)
    image = concept_list.grab().toImage()
    colours = {image.pixelColor(x, y).name() for x in range(40) for y in range(image.height())}
    assert QColor(ACCENTS[0]).name() in colours
    assert QColor(ACCENTS[1]).name() in colours
    assert plain != image
    facts_of(session).flags["flag_colour"][7] = False
    concept_list.viewport().update()
    assert concept_list.grab().toImage() != image, "the badge is gone"
