"""Small Qt objects that several widgets are made of."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy

FRAMED = "QTextEdit { background: transparent; border: 1px solid rgba(128, 128, 128, 140); border-radius: 2px; }"
"""Style of a text field: napari's own is that of its console, black in the dark theme, white in the light one."""


class SmallLine(QLabel):
    """One line of small text, its middle left out where there is no room."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str) -> None:
        """Show another text."""
        self.whole = text
        shown = self.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, self.width())
        if (small := f"<small>{escaped(shown)}</small>") != self.text():  # another text lays the dock out anew
            self.setText(small)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Show as much as there is room for."""
        super().resizeEvent(event)
        self.say(self.whole)


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
