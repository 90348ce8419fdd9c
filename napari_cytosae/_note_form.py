"""The fields of a name: name, verdict, note."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QStringListModel, Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter, QFormLayout, QLineEdit, QTextEdit, QWidget

from napari_cytosae._drafts import Draft
from napari_cytosae._made import made
from napari_cytosae._pieces import FRAMED

VERDICT_WORDS = {
    "": ("no verdict", "Not judged yet."),
    "concept": ("concept", "It shows one thing that a hematologist would name."),
    "artefact": ("artefact", "It shows staining, blur, the edge of the picture or the like."),
    "mixed": ("mixed", "It shows several things."),
    "unclear": ("unclear", "One cannot say what it shows."),
}


class NoteForm(QWidget):
    """Fields that hold a draft.

    Attributes
    ----------
    edited : Signal()
        Something was typed or chosen.
    entered : Signal()
        Enter in the name.
    """

    edited = Signal()
    entered = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = made(QLineEdit(), placeholderText="What a hematologist would call it")
        self.name.setToolTip("The same name on several concepts puts them together in searches and barcodes.")
        self._names = QStringListModel(self)
        self._complete()
        self.verdict = made(QComboBox(), toolTip="Whether it is a concept at all.")
        for i, (verdict, (text, why)) in enumerate(VERDICT_WORDS.items()):
            self.verdict.addItem(text, verdict)
            self.verdict.setItemData(i, why, Qt.ItemDataRole.ToolTipRole)
        self.note = made(QTextEdit(), placeholderText="What is seen, and where it is not", acceptRichText=False)
        self.note.setToolTip("Kept with the name; searches find its words.")
        self.note.setTabChangesFocus(True)
        self.note.setStyleSheet(FRAMED)
        self.note.setFixedHeight(4 * self.fontMetrics().lineSpacing() + 16)
        self.name.textEdited.connect(self.edited)
        self.note.textChanged.connect(self.edited)
        self.verdict.currentIndexChanged.connect(self.edited)
        self.name.returnPressed.connect(self.entered)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for text, widget in (("Name", self.name), ("Verdict", self.verdict), ("Note", self.note)):
            form.addRow(text, widget)

    def _complete(self) -> None:
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.name.setCompleter(completer)

    def offer(self, names: Sequence[str]) -> None:
        """Offer names that were given before."""
        self._names.setStringList(list(names))

    def typed(self) -> Draft:
        """Return what stands in the fields."""
        return Draft(self.name.text(), self.note.toPlainText(), str(self.verdict.currentData() or ""))

    def fill(self, draft: Draft) -> None:
        """Show a draft; nothing is heard of it."""
        blocked = self.blockSignals(True)
        if self.name.text() != draft.name:
            self.name.setText(draft.name)
        if self.note.toPlainText() != draft.note:
            self.note.setPlainText(draft.note)
        self.verdict.setCurrentIndex(max(0, self.verdict.findData(draft.verdict)))
        self.blockSignals(blocked)
