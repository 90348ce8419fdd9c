"""What was said of a concept before: when, by whom, what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QAbstractScrollArea, QTreeWidget, QTreeWidgetItem, QWidget

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.names_file import Annotation

N_SEEN = 5
"""Lines that are seen, where there is no more room."""


class History(QTreeWidget):
    """Entries of one concept, the newest first; hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setHeaderLabels(["When", "Who", "What"])
        self.setToolTip("What was saved of this concept, the newest first; nothing is ever erased.")
        self.setSizeAdjustPolicy(QAbstractScrollArea.SizeAdjustPolicy.AdjustIgnored)

    def sizeHint(self) -> QSize:
        """Return a height of a few entries: the rest is scrolled, lest the page is."""
        return QSize(super().sizeHint().width(), N_SEEN * self.fontMetrics().lineSpacing())

    def show_entries(self, entries: Sequence[Annotation]) -> None:
        """Show other entries."""
        self.clear()
        for entry in entries:
            self.addTopLevelItem(_item(entry))
        self.setVisible(bool(entries))
        for column in range(2):
            self.resizeColumnToContents(column)


def _item(entry: Annotation) -> QTreeWidgetItem:
    said = entry.name or ("(no name)" if entry.verdict else "(taken away)")
    what = said + (f" · {entry.verdict}" if entry.verdict else "")
    item = QTreeWidgetItem([_local(entry.time), entry.author, what])
    tip = "\n".join(text for text in (f"{what}, by {entry.author}", entry.time, entry.note) if text)
    for column in range(3):
        item.setToolTip(column, tip)
    return item


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return time
