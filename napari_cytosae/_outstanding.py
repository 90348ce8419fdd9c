"""The concepts in which a patient stands out from a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

if TYPE_CHECKING:
    import pandas as pd

    from napari_cytosae._session import Session

N_CONCEPTS = 15
LATENT_ROLE = int(Qt.ItemDataRole.UserRole)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_COLUMNS = (
    ("Stands out in", "Largest difference from the mean of the group, in its standard deviations, first."),
    ("patches a cell", "Of this patient: patches per cell on which the concept is found (barcode, Eq. 3)."),
    ("others", "The same of the group: its mean."),
)


class OutstandingList(QTreeWidget):
    """Concepts with the patient's number and the group's.

    Parameters
    ----------
    session : Session
        Knows names, and which concepts are hidden.

    Attributes
    ----------
    chosen : Signal(int)
        A latent was clicked.
    """

    chosen = Signal(int)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setStyleSheet("QTreeView::item { padding: 2px 0px; }")
        self.setHeaderLabels([title for title, _ in _COLUMNS])
        self._set_header()
        self.currentItemChanged.connect(self._choose)

    def _set_header(self) -> None:
        item, header = self.headerItem(), self.header()
        if item is None or header is None:
            return
        for column, (_, tip) in enumerate(_COLUMNS):
            item.setToolTip(column, tip)
            fit = QHeaderView.ResizeMode.ResizeToContents if column else QHeaderView.ResizeMode.Stretch
            header.setSectionResizeMode(column, fit)
        header.setStretchLastSection(False)

    def show_table(self, table: pd.DataFrame) -> None:
        """Show other concepts (index: latent); hidden ones are left out."""
        self.blockSignals(True)
        self.clear()
        for latent, row in self._session.visible(table).iloc[:N_CONCEPTS].iterrows():
            self.addTopLevelItem(self._item(int(str(latent)), row))
        self.blockSignals(False)
        self.mark()

    def mark(self) -> None:
        """Select the chosen concept, if it is listed."""
        latent = self._session.latent()
        marked = next((item for item in self.items() if item.data(0, LATENT_ROLE) == latent), None)
        self.blockSignals(True)
        self.setCurrentItem(marked)
        self.blockSignals(False)

    def rename(self) -> None:
        """Show the names that concepts have now."""
        for item in self.items():
            item.setText(0, self._words(int(item.data(0, LATENT_ROLE)), item.text(0)[:1]))

    def items(self) -> list[QTreeWidgetItem]:
        """Return the rows, from top to bottom."""
        found = [self.topLevelItem(i) for i in range(self.topLevelItemCount())]
        return [item for item in found if item is not None]

    def _item(self, latent: int, row: pd.Series[Any]) -> QTreeWidgetItem:
        more = row["score"] > 0
        numbers = [f"{row['value']:.2f}", f"{row['others']:.2f}"]
        item = QTreeWidgetItem([self._words(latent, "▲" if more else "▼"), *numbers])
        spread = f"80 % of them between {row['low']:.2f} and {row['high']:.2f}"
        much = "more" if more else "less"
        tip = f"{much} than the group: {numbers[0]} patches per cell, {numbers[1]} there; {spread}\nlatent {latent}"
        for column in range(3):
            item.setToolTip(column, tip)
            if column:
                item.setTextAlignment(column, _RIGHT)
        item.setData(0, LATENT_ROLE, latent)
        return item

    def _words(self, latent: int, sign: str) -> str:
        return f"{sign} {self._session.describe(latent)}"

    def _choose(self, item: QTreeWidgetItem | None, _: object = None) -> None:
        if item is not None:
            self.chosen.emit(int(item.data(0, LATENT_ROLE)))
