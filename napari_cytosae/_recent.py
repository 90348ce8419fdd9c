"""What was opened before, to be opened again: the last picture, the lesson that was begun, atlases and models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cytosae import _kept
from napari_cytosae._last_picture import LastPicture, last_picture


class RecentList(QWidget):
    """Buttons for what was opened before.

    Parameters
    ----------
    open_path : callable (Path)
        Opens something again.
    resume : callable
        Goes on with the lesson that was begun.
    carry_on : callable (LastPicture)
        Opens the picture that was read last, and what it was read with.
    """

    def __init__(
        self,
        open_path: Callable[[Path], object],
        resume: Callable[[], object],
        carry_on: Callable[[LastPicture], object],
    ) -> None:
        super().__init__()
        self._open, self._resume, self._carry_on = open_path, resume, carry_on
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)

    def refresh(self) -> None:
        """Read the list again."""
        while (item := self._rows.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        last = last_picture()
        if last is not None:
            tip = f"{last.picture}, read with {last.source.name}"
            self._add(f"Continue with {last.picture.name}", tip, partial(self._carry_on, last))
        begun = _kept.unfinished()
        if begun is not None:
            tip = f"What is complete is kept: {begun['images']}"
            self._add(f"Go on learning from {Path(begun['images']).name}", tip, self._resume)
        recent = _kept.recent()
        if recent:
            self._rows.addWidget(QLabel("Opened before"))
        for path in recent:
            self._add(f"{path.name}   in {path.parent.name}", str(path), partial(self._open, path))

    def _add(self, text: str, tip: str, then: Callable[[], object]) -> None:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda: then())
        self._rows.addWidget(button)

    @property
    def texts(self) -> list[str]:
        """What stands on the buttons, from top to bottom."""
        widgets = [item.widget() for i in range(self._rows.count()) if (item := self._rows.itemAt(i)) is not None]
        return [widget.text() for widget in widgets if isinstance(widget, QPushButton)]
