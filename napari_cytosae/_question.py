"""A question in the dock that does not stop the rest of the program."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget


class Question(QFrame):
    """A sentence and buttons, two or more; hidden while nothing is asked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.yes, self.no = QPushButton(), QPushButton()
        self._then: Callable[[], object] | None = None
        self._otherwise: Callable[[], object] | None = None
        self.yes.clicked.connect(lambda: self._answer(self._then))
        self.no.clicked.connect(lambda: self._answer(self._otherwise))
        self.more = QHBoxLayout()
        row = QHBoxLayout()
        row.addWidget(self.yes)
        row.addWidget(self.no)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addLayout(self.more)
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
        more: Sequence[tuple[str, str, Callable[[], object]]] = (),
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
        more : sequence of (str, str, callable)
            Further answers: text, tooltip, what follows.
        """
        self.text.setText(text)
        self.yes.setText(yes)
        self.yes.setToolTip(text)
        self.no.setText(no)
        self.no.setToolTip("Close the question; it can be asked again.")
        self._then, self._otherwise = then, otherwise
        self._offer(more)
        self.show()

    def _offer(self, more: Sequence[tuple[str, str, Callable[[], object]]]) -> None:
        while (item := self.more.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for text, tip, answer in more:
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, answer=answer: self._answer(answer))
            self.more.addWidget(button)

    def _answer(self, answer: Callable[[], object] | None) -> None:
        self._then = self._otherwise = None
        self.hide()
        if answer is not None:
            answer()
