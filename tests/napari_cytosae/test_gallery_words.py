"""What the gallery says."""

from __future__ import annotations

import pytest

from napari_cytosae._cells import EVERYWHERE, KINDS, Cell, Scope
from napari_cytosae._gallery_words import WORDS, about_cells, none_found, nothing_open, what_is_shown


def test_every_kind_has_its_word_and_its_line():
    assert [WORDS[kind][0] for kind in KINDS] == ["Top", "Typical", "Weak", "Not"]
    assert [what_is_shown(kind, EVERYWHERE) for kind in KINDS] == [WORDS[kind][1] for kind in KINDS]


@pytest.mark.parametrize(
    ("scope", "place"),
    [(EVERYWHERE, "the atlas"), (Scope("set", "north"), "the image set north"), (Scope("patient", "p3"), "patient p3")],
)
def test_cells_that_stand_in_are_called_so(scope, place):
    absent, weak = Cell(0, "a", value=0.0), Cell(1, "b", value=0.1)
    assert what_is_shown("not", scope, [absent]) == WORDS["not"][1]
    assert what_is_shown("not", scope, [weak]).startswith(f"Every cell of {place} shows it at least weakly.")
    assert what_is_shown("weak", scope, [weak]) == WORDS["weak"][1]
    assert place in none_found("top", scope)
    other = what_is_shown("not", scope, [Cell(0, "a", "blast", value=0.0)], "eosinophil")
    assert other == f"No eosinophil of {place} is without it. These cells of other types do not show it."
    assert what_is_shown("not", scope, [Cell(0, "a", "blast", value=0.0)], "blast") == WORDS["not"][1]


def test_cells_and_colours():
    assert about_cells(1, None) == "1 cell; numbers: strength averaged over the picture."
    assert "full colour at strength 6.29 of a patch" in about_cells(10, 6.2891)


def test_nothing_open(atlas):
    assert "Open an atlas" in nothing_open(None)
    assert "Choose a concept" in nothing_open(atlas)
