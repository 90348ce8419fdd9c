"""Completion in the search line."""

from __future__ import annotations

import pytest

from napari_cytosae._search_line import SearchLine

CHOICES = {"entr": ["entropy<"], "label:b": ["label:blast"], "nuc": ["nucleus", "nucleolus"], "nucleus": ["nucleus"]}


@pytest.fixture
def line(qtbot):
    """A line that knows a few completions."""
    widget = SearchLine(lambda text, cursor: CHOICES.get(text[:cursor].split(" ")[-1], []))
    qtbot.addWidget(widget)
    widget.show()
    return widget


def test_completions_are_offered_after_a_pause(qtbot, line):
    qtbot.keyClicks(line, "x nuc")
    qtbot.waitUntil(lambda: line.choices.stringList() == ["nucleus", "nucleolus"])


def test_what_is_written_already_is_not_offered(line):
    line.setText("nucleus")
    line.offer()
    assert line.choices.stringList() == []


@pytest.mark.parametrize(
    ("text", "cursor", "chosen", "expected", "place"),
    [
        ("entr", 4, "entropy<", "entropy<", 8),
        ("x label:b", 9, "label:blast", "x label:blast ", 14),
        ("nuc x", 3, "nucleus", "nucleus x", 8),
    ],
)
def test_a_completion_takes_the_place_of_the_piece_at_the_cursor(line, text, cursor, chosen, expected, place):
    line.setText(text)
    line.setCursorPosition(cursor)
    line.complete(chosen)
    assert (line.text(), line.cursorPosition()) == (expected, place)
