"""A search line that offers fields, labels and names while one types."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QStringListModel, Qt
from qtpy.QtWidgets import QCompleter, QLineEdit, QWidget

from cytosae_toolkit.atlas.suggesting import piece_at
from napari_cytosae._pieces import pause

PAUSE = 150
"""Milliseconds without a keystroke after which completions are offered."""


class SearchLine(QLineEdit):
    """A line for queries.

    Parameters
    ----------
    suggest : callable (text, cursor) -> list of str
        What may replace the piece before the cursor.
    """

    def __init__(self, suggest: Callable[[str, int], list[str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._suggest = suggest
        self.setClearButtonEnabled(True)
        self.choices = QStringListModel(self)
        self._completer = QCompleter(self.choices, self)
        self._completer.setWidget(self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.activated.connect(self.complete)
        self._pause = pause(self, PAUSE, self.offer)
        self.textEdited.connect(lambda _: self._pause.start())

    def offer(self) -> None:
        """Show what could stand at the cursor, unless it stands there already."""
        cursor = self.cursorPosition()
        _, piece = piece_at(self.text(), cursor)
        found = [text for text in self._suggest(self.text(), cursor) if text != piece] if piece else []
        self.choices.setStringList(found)
        popup = self._completer.popup()
        if not found and popup is not None:
            popup.hide()
        if found and self.hasFocus():
            self._completer.complete()

    def complete(self, chosen: str) -> None:
        """Put a completion in the place of the piece before the cursor."""
        cursor = self.cursorPosition()
        start, _ = piece_at(self.text(), cursor)
        space = "" if chosen[-1:] in (":", "<", ">") else " "
        rest = self.text()[cursor:]
        self.setText(self.text()[:start] + chosen + space + rest.removeprefix(space))
        self.setCursorPosition(start + len(chosen) + len(space))
        if not space:
            self._pause.start()
