"""Which two concepts are shown."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_cytosae._listening import Listening
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._session import SLOTS, Session


class SecondConcept(Listening, QWidget):
    """Which two concepts are shown, and buttons to move or take away the second one.

    Parameters
    ----------
    session : Session
        Holds both.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.names = [QLabel() for _ in range(SLOTS)]
        self.keep = QPushButton("Keep as second")
        self.keep.setToolTip("Show the chosen concept as the second one, and go on choosing. (Shift or Ctrl + click)")
        self.drop = QPushButton("One only")
        self.drop.setToolTip("Show one concept only.")
        self.keep.clicked.connect(lambda: session.choose(session.latent(0), 1))
        self.drop.clicked.connect(lambda: session.choose(None, 1))
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for slot, (name, button) in enumerate(zip(self.names, (self.keep, self.drop), strict=True)):
            name.setMinimumWidth(30)
            square = QLabel("■")
            square.setStyleSheet(f"color: {ACCENTS[slot]}")
            for place, part in enumerate((square, name, button)):
                grid.addWidget(part, slot, place)
        self.listen(session.latent_changed, self._show, 0)
        self.listen(session.names_changed, self._show)

    def _show(self, *_: int) -> None:
        for slot, label in enumerate(self.names):
            latent = self.session.latent(slot)
            label.setText("none" if latent is None else self.session.describe(latent))
            label.setToolTip(label.text())
        self.keep.setEnabled(self.session.latent(0) is not None)
        self.drop.setEnabled(self.session.latent(1) is not None)
