"""Lists of concepts: one model, one way of painting, one view, so that all of them look and behave alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from napari_cytosae._facts import facts_of, number, percent
from napari_cytosae._listening import Listening
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._session import Session

LATENT, BAR, BADGES, SLOTS = (Qt.ItemDataRole.UserRole + i for i in range(1, 5))
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_SECOND = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Column:
    """A column of a list.

    Parameters
    ----------
    key : str
        ``"concept"``, ``"value"``, ``"strength"``, ``"frequency"``, ``"purity"`` or ``"label"``.
    title : str
        On screen.
    tip : str
        With the field's term.
    sample : str
        Text that fits in.
    """

    key: str
    title: str
    tip: str
    sample: str


CONCEPT = Column("concept", "Concept", "Its name, or its number while nobody has named it (latent).", "")
STRENGTH = Column("strength", "Strength", "Pattern strength: mean activation over the atlas's images.", "0.00123")
FREQUENCY = Column("frequency", "Found in", "Share of the atlas's cells in which it is found (frequency).", "0.05 %")
PURITY = Column(
    "purity",
    "Purity",
    "Cell-type purity: how much of the activation of its ten best reference cells belongs to one cell type "
    "(dominant share). The tooltip of a row gives the label entropy.",
    "100 %",
)
LABEL = Column(
    "label", "Mostly in", "The cell type that most of its reference cells have (dominant label).", "neutrophil"
)


def activation_column(title: str = "Activation", tip: str = "Activation on the patch.") -> Column:
    """Return the column of the values that a list is given."""
    return Column("value", title, tip, "0.00123")


class ConceptRows(QAbstractTableModel):
    """Concepts and a value of each, row by row, with what the atlas knows of them.

    Parameters
    ----------
    session : Session
        Knows names and atlas.
    columns : sequence of Column
        From left to right.
    """

    def __init__(self, session: Session, columns: Sequence[Column], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.columns = session, tuple(columns)
        self.latents = np.zeros(0, dtype=np.int64)
        self._values = self._bars = np.zeros(0)
        self._names: dict[int, str] = {}
        self._facts = facts_of(session)
        self._texts: dict[str, Callable[[int, int], str]] = {
            "concept": lambda _, latent: self.call(latent),
            "value": lambda row, _: number(self._values[row]),
            "strength": lambda _, latent: number(self._facts.strength[latent]),
            "frequency": lambda _, latent: percent(self._facts.frequency[latent]),
            "purity": lambda _, latent: percent(self._facts.purity[latent]),
            "label": lambda _, latent: str(self._facts.label[latent]),
        }

    def show(self, latents: ArrayLike, values: ArrayLike, bars: ArrayLike | None = None) -> None:
        """Show other rows.

        Parameters
        ----------
        latents : int array [n]
            From top to bottom.
        values : float array [n]
            Of the column ``"value"``.
        bars : float array [n], optional
            Lengths of bars, 0 to 1; by default values as shares of the largest.
        """
        self.beginResetModel()
        self._facts = facts_of(self.session)
        self.latents = np.asarray(latents, dtype=np.int64)
        self._values = np.asarray(values, dtype=np.float64)
        largest = float(np.nanmax(self._values, initial=0.0))
        self._bars = np.asarray(self._values / (largest or 1.0) if bars is None else bars, dtype=np.float64)
        self.endResetModel()

    @property
    def current(self) -> bool:
        """Whether the rows are of the atlas that is open."""
        return self._facts is facts_of(self.session)

    def rename(self) -> None:
        """Read the names again."""
        self._names = self.session.names()
        self.repaint()

    def repaint(self) -> None:
        """Tell views that all of it may look different."""
        if len(self.latents):
            last = self.index(len(self.latents) - 1, len(self.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def call(self, latent: int) -> str:
        """Return how a latent is called on screen."""
        name = self._names.get(latent)
        return f"{name} ({latent})" if name else f"candidate concept {latent}"

    def row_of(self, latent: int | None) -> int | None:
        """Return the row of a latent, None if it is not listed."""
        if latent is None:
            return None
        found = np.flatnonzero(self.latents == latent)
        return int(found[0]) if len(found) else None

    # What Qt asks

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        """Return how many concepts there are."""
        return 0 if parent.isValid() else len(self.latents)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        """Return how many columns there are."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return title and tip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip
        return column.title if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, tip, alignment, bar, badges or marks of a cell."""
        row, column = index.row(), self.columns[index.column()]
        latent = int(self.latents[row])
        if role == Qt.ItemDataRole.DisplayRole:
            return self._texts[column.key](row, latent)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{self.call(latent)}\n{self._facts.sentence(latent)}"
        if role == LATENT:
            return latent
        if role == BAR and column.key == "value":
            return float(self._bars[row])
        if role == BADGES and column.key == "concept":
            return self._facts.badges(latent)
        if role == SLOTS and column.key == "concept":
            return [slot for slot in range(len(ACCENTS)) if self.session.latent(slot) == latent]
        return None


def _alignment(column: Column) -> Qt.AlignmentFlag:
    return _LEFT if column.key in ("concept", "label") else _RIGHT


class ConceptDelegate(QStyledItemDelegate):
    """Paints a bar behind a value, and marks and badges beside a name, in the colours of the palette."""

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Paint a cell."""
        if painter is None:
            return
        painter.save()
        bar, badges, slots = index.data(BAR), index.data(BADGES), index.data(SLOTS)
        if bar or badges or slots:
            self._paint_parts(painter, option, index, bar or 0.0, badges or [], slots or [])
        else:
            super().paint(painter, option, index)
        painter.restore()

    def _paint_parts(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex,
        bar: float,
        badges: list[str],
        slots: list[int],
    ) -> None:
        """Paint the cell without its text, then bar, marks and badges, then the text in the room that they leave."""
        styled = QStyleOptionViewItem(option)
        self.initStyleOption(styled, index)
        text, styled.text = styled.text, ""
        style = styled.widget.style() if styled.widget is not None else QApplication.style()
        if style is not None:
            style.drawControl(QStyle.ControlElement.CE_ItemViewItem, styled, painter, styled.widget)
        _paint_bar(painter, option.rect, bar)
        colour = styled.palette.color(QPalette.ColorRole.Text)
        place = option.rect.adjusted(3, 0, -3, 0)
        for slot in slots:
            place = _paint_mark(painter, place, slot)
        for badge in reversed(badges):
            place = _paint_badge(painter, place, badge, colour)
        painter.setPen(colour)
        shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, place.width())
        painter.drawText(place, int(styled.displayAlignment), shown)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return the size of a cell."""
        return QSize(super().sizeHint(option, index).width(), option.fontMetrics.height() + 6)


def _paint_bar(painter: QPainter, rect: QRect, share: float) -> None:
    colour = QColor(ACCENTS[0])
    colour.setAlpha(110)
    width = round((rect.width() - 4) * min(share, 1.0))
    painter.fillRect(QRect(rect.left() + 2, rect.top() + 2, width, rect.height() - 4), colour)


def _paint_mark(painter: QPainter, place: QRect, slot: int) -> QRect:
    """Paint the square of a slot; return what is left of the place."""
    side = min(10, place.height() - 4)
    square = QRect(place.left(), place.center().y() - side // 2, side, side)
    painter.fillRect(square, QColor(ACCENTS[slot]))
    return place.adjusted(side + 4, 0, 0, 0)


def _paint_badge(painter: QPainter, place: QRect, text: str, colour: QColor) -> QRect:
    """Paint a flag at the right end; return what is left of the place."""
    metrics = painter.fontMetrics()
    width = metrics.horizontalAdvance(text) + 10
    badge = QRect(place.right() - width, place.top() + 2, width, place.height() - 5)
    faint = QColor(colour)
    faint.setAlpha(150)
    painter.setPen(faint)
    painter.drawRoundedRect(badge, 4, 4)
    painter.drawText(badge, int(Qt.AlignmentFlag.AlignCenter), text)
    return place.adjusted(0, 0, -width - 4, 0)


class ConceptList(Listening, QTableView):
    """A list of concepts; a click shows one, a click with Shift or Ctrl shows it as the second one.

    Parameters
    ----------
    session : Session
        Hears what was chosen.
    columns : sequence of Column
        From left to right; the first one takes the room that the others leave.
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
        metrics = self.fontMetrics()
        for place, column in enumerate(self.rows.columns[1:], start=1):
            widest = max(metrics.horizontalAdvance(text) for text in (column.sample, f"{column.title} ▾"))
            self.setColumnWidth(place, widest + 14)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Give the first column the room that the others leave."""
        super().resizeEvent(event)
        viewport = self.viewport()
        if viewport is not None:
            others = sum(self.columnWidth(place) for place in range(1, len(self.rows.columns)))
            narrow = self.fontMetrics().horizontalAdvance("candidate concept 12345") + 10
            self.setColumnWidth(0, max(narrow, viewport.width() - others))

    def show_rows(self, latents: ArrayLike, values: ArrayLike, bars: ArrayLike | None = None) -> None:
        """Show other concepts; see `ConceptRows.show`."""
        self._choosing = False
        self.rows.show(latents, values, bars)
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
