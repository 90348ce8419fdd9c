"""A list of concepts as a view: a click chooses, a click with Shift or Ctrl chooses the second one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QEvent, QItemSelectionModel, QModelIndex, Qt
from qtpy.QtGui import QInputEvent, QPainter, QPaintEvent, QPalette, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView, QWidget

from napari_cytosae._listening import Listening
from napari_cytosae._row_paint import ConceptDelegate
from napari_cytosae._rows import LATENT, Column, ConceptRows, Index
from napari_cytosae._session import Session

_SECOND = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier


class ConceptList(Listening, QTableView):
    """A list of concepts; a click shows one, a click with Shift or Ctrl shows it as the second one.

    Parameters
    ----------
    session : Session
        Hears what was chosen.
    columns : sequence of Column
        From left to right; the first one takes the room that the others leave, once cell types are legible.
    empty : str
        What stands there while the list is empty.
    """

    def __init__(
        self, session: Session, columns: Sequence[Column], *, empty: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.empty = session, empty
        self.rows = ConceptRows(session, columns, self)
        self._choosing = True
        self.setModel(self.rows)
        self.setItemDelegate(ConceptDelegate(self))
        self._set_up()
        self._set_widths()
        selection = self.selectionModel()
        if selection is not None:
            selection.currentRowChanged.connect(self._choose)
        self.listen(session.names_changed, self.rows.rename)
        self.listen(session.source_changed, self._forget)
        self.listen(session.latent_changed, self._mark, 0)

    def _set_up(self) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # the number stays legible
        self.setTabKeyNavigation(False)
        header, rows = self.horizontalHeader(), self.verticalHeader()
        if header is not None and rows is not None:
            header.setHighlightSections(False)
            rows.setVisible(False)
            rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
            rows.setDefaultSectionSize(self.fontMetrics().height() + 6)

    def _set_widths(self) -> None:
        for place, column in enumerate(self.rows.columns[1:], start=1):
            self.setColumnWidth(
                place, self._width_of(column.sample, f"{column.title} ▾") + (10 if column.key == "label" else 6)
            )

    def _width_of(self, *texts: str) -> int:
        return max(self.fontMetrics().horizontalAdvance(text) for text in texts)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the first column the room that the others leave; all are seen if they can be, else up to cell types."""
        super().resizeEvent(event)
        viewport = self.viewport()
        if viewport is None:
            return
        self._set_widths()
        keys = [column.key for column in self.rows.columns]
        needed = keys.index("label") if "label" in keys else len(keys) - 1
        narrow = self._width_of("candidate concept 1234") + 8
        room = self._room(viewport.width(), len(keys) - 1)
        if room < narrow:
            room = self._room(viewport.width(), needed)
        if room < narrow and "label" in keys:  # its middle is left out, and its share stays legible
            least = self._width_of("neut…ed 100 %") + 6
            self.setColumnWidth(needed, max(least, self.columnWidth(needed) - (narrow - room)))
        self.setColumnWidth(0, max(narrow, room))

    def _room(self, width: int, last: int) -> int:
        """Return what is left for the first column where all up to another one are seen, pixels."""
        return width - sum(self.columnWidth(place) for place in range(1, last + 1))

    def show_rows(self, latents: ArrayLike, values: ArrayLike, column: Column | None = None) -> None:
        """Show other concepts; see `ConceptRows.show`; the second column may hold something else from now on."""
        self._choosing = False
        if column is not None:
            self.rows.change_column(1, column)
        self.rows.show(latents, values)
        self._choosing = True
        self._select()

    def _forget(self) -> None:
        """Show nothing if the rows are another atlas's."""
        if not self.rows.current:
            self.show_rows((), ())
        self.rows.rename()

    @property
    def latents(self) -> NDArray[np.int64]:
        """The latents that are listed, from top to bottom."""
        return self.rows.latents

    def selectionCommand(self, index: QModelIndex, event: QEvent | None = None) -> QItemSelectionModel.SelectionFlag:
        """Leave the selection to the first concept where a click or a key chooses the second one."""
        if isinstance(event, QInputEvent) and slot_of(event.modifiers()) == 1:
            return QItemSelectionModel.SelectionFlag.NoUpdate
        return super().selectionCommand(index, event)

    def _choose(self, current: Index, _: Index) -> None:
        if self._choosing and current.isValid():
            self.session.choose(current.data(LATENT), slot_of(QApplication.keyboardModifiers()))
            self._select()

    def _mark(self, _: int) -> None:
        self._select()
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()

    def _select(self) -> None:
        """Let the selected row be that of the first concept."""
        row = self.rows.row_of(self.session.latent(0))
        self._choosing = False
        if row is None:
            self.clearSelection()
        elif row != self.currentIndex().row() or not self.selectedIndexes():
            self.selectRow(row)
        self._choosing = True

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the rows, or why there are none."""
        super().paintEvent(event)
        viewport = self.viewport()
        if not len(self.rows.latents) and self.empty and viewport is not None:
            with_margin = viewport.rect().adjusted(8, 8, -8, -8)
            wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter = QPainter(viewport)
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            painter.setOpacity(0.7)
            painter.drawText(with_margin, int(wrapped), self.empty)
            painter.end()


def slot_of(modifiers: Qt.KeyboardModifier) -> int:
    """Return the slot that a choice goes to: the second one with Shift or Ctrl."""
    return 1 if modifiers & _SECOND else 0
