"""Small Qt objects that several widgets are made of."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel

FRAMED = "QTextEdit { background: transparent; border: 1px solid rgba(128, 128, 128, 140); border-radius: 2px; }"
"""Style of a text field: napari's own is that of its console, black in the dark theme, white in the light one."""


def plain_label(text: str = "") -> QLabel:
    """Return a label that breaks its lines and shows names as they are written."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label


def pause(parent: QObject, milliseconds: int, then: Callable[[], None]) -> QTimer:
    """Return a timer that calls a function once, so long after its last start."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(then)
    return timer


def escaped(text: str) -> str:
    """Return text as it stands in HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
