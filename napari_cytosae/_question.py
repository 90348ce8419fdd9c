"""A question in the dock that does not stop the rest of the program."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget


class Question(QFrame):
    """A sentence and two buttons; hidden while nothing is asked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.yes, self.no = QPushButton(), QPushButton()
        self._answers: tuple[Callable[[], object] | None, Callable[[], object] | None] = (None, None)
        self.yes.clicked.connect(lambda: self._answer(0))
        self.no.clicked.connect(lambda: self._answer(1))
        row = QHBoxLayout()
        row.addWidget(self.yes)
        row.addWidget(self.no)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addLayout(row)
        self.hide()

    def ask(
        self,
        text: str,
        yes: str,
        then: Callable[[], object],
        *,
        no: str = "Not now",
        otherwise: Callable[[], object] | None = None,
    ) -> None:
        """Ask; a question that stands is replaced.

        Parameters
        ----------
        text : str
            The question.
        yes, no : str
            Answers, on the buttons.
        then, otherwise : callable
            What follows each answer.
        """
        self.text.setText(text)
        self.yes.setText(yes)
        self.no.setText(no)
        self._answers = (then, otherwise)
        self.show()

    def _answer(self, which: int) -> None:
        answer, self._answers = self._answers[which], (None, None)
        self.hide()
        if answer is not None:
            answer()
