"""Whatever can be clicked, typed into or moved says what it does."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QTabBar,
    QTableView,
    QTextEdit,
    QWidget,
)

from napari_cytosae._widget import CytosaeWidget

CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, QTextEdit)


def is_ours(control: QWidget) -> bool:
    """Say whether a control is not a part of a Qt widget: scroll bars, fields of spin boxes, arrows of tabs."""
    parent = control.parent()
    inside = isinstance(parent, QAbstractSpinBox | QComboBox | QLineEdit | QTabBar | QTableView)
    return not (inside or isinstance(control, QScrollBar))


@pytest.fixture
def opened(qtbot, viewer, picture, atlas):
    viewer.add_image(picture, name="smear", rgb=True)
    widget = CytosaeWidget(viewer)
    qtbot.addWidget(widget)
    widget.show()
    widget.start_page.open(atlas.path)
    qtbot.waitUntil(lambda: widget.session.scene is not None and not widget.load.jobs.busy, timeout=60_000)
    return widget


def test_every_control_has_a_tooltip(opened):
    opened.start_page.question.ask("Really?", "Yes", lambda: None)
    opened.load.question.ask("Really?", "Yes", lambda: None)
    controls = [control for kind in CONTROLS for control in opened.findChildren(kind) if is_ours(control)]
    silent = [(type(c).__name__, type(c.parent()).__name__) for c in controls if not c.toolTip()]
    assert len(controls) > 40
    assert not silent


def test_every_tab_has_a_tooltip(opened):
    silent = [opened.tabs.tabText(i) for i in range(opened.tabs.count()) if not opened.tabs.tabToolTip(i)]
    assert not silent
