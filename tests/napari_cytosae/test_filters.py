"""Checkboxes of filters."""

from __future__ import annotations

import pytest

from napari_cytosae._filters import everywhere_box, flagged_box


@pytest.mark.parametrize(("make", "name"), [(flagged_box, "show_flagged"), (everywhere_box, "hide_everywhere")])
def test_boxes_say_the_same_wherever_they_stand(qtbot, session, make, name):
    one, other = make(session), make(session)
    for box in (one, other):
        qtbot.addWidget(box)
        box.show()
    assert one.isChecked() == getattr(session, name)
    one.click()
    assert one.isChecked() == other.isChecked() == getattr(session, name)
    other.hide()
    one.click()
    assert other.isChecked() != one.isChecked()
    other.show()
    assert other.isChecked() == one.isChecked()
