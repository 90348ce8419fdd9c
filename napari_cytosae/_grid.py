"""A grid of cells: small pictures with two lines below, loaded as they come into view, walked by the arrow keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QRect, QSize, Qt, Signal
from qtpy.QtGui import QKeyEvent, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from napari_cytosae._cells import Cell
from napari_cytosae._thumbnails import Thumbnails, Wanted

Index = QModelIndex | QPersistentModelIndex
PICTURE = 84
MARGIN = 4
PIXMAP_ROLE = int(Qt.ItemDataRole.UserRole) + 1


class CellModel(QAbstractListModel):
    """The cells of a grid.

    Parameters
    ----------
    thumbnails : Thumbnails
        Makes their pictures.
    """

    def __init__(self, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._cells: list[Cell] = []
        self._latent: int | None = None
        self._full = 1.0
        thumbnails.made.connect(self._show_made)

    @property
    def cells(self) -> list[Cell]:
        """What is shown."""
        return self._cells

    def show(self, cells: Sequence[Cell], latent: int | None, full: float = 1.0) -> None:
        """Show cells, with the patches on which a latent is active, if one is given."""
        self.beginResetModel()
        self._cells, self._latent, self._full = list(cells), latent, full
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """Return the number of cells."""
        return 0 if parent is not None and parent.isValid() else len(self._cells)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """Return caption, tooltip or picture of a cell."""
        if not index.isValid():
            return None
        cell = self._cells[index.row()]
        if role == int(Qt.ItemDataRole.DisplayRole):
            return "\n".join(cell.caption)
        if role == int(Qt.ItemDataRole.AccessibleTextRole):
            return ", ".join(part for part in cell.caption if part)
        if role == int(Qt.ItemDataRole.ToolTipRole):
            return f"{cell.tooltip}\nDouble-click opens the image."
        if role == PIXMAP_ROLE:
            return self._thumbnails.get(self._wanted(cell))
        return None

    def _wanted(self, cell: Cell) -> Wanted:
        return Wanted(cell.row, self._latent, self._full)

    def _show_made(self, wanted: Wanted) -> None:
        for i, cell in enumerate(self._cells):
            if self._wanted(cell) == wanted:
                self.dataChanged.emit(self.index(i), self.index(i), [PIXMAP_ROLE])


class CellDelegate(QStyledItemDelegate):
    """Draws a cell: its picture, its label, its number."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the size of all cells."""
        return tile_size(option.fontMetrics.height())

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw a cell."""
        assert painter is not None
        painter.save()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(option.rect.adjusted(1, 1, -1, -1), option.palette.brush(QPalette.ColorRole.Highlight))
        picture = QRect(option.rect.x(), option.rect.y() + MARGIN, option.rect.width(), PICTURE)
        _draw_picture(painter, picture, index.data(PIXMAP_ROLE), option.palette)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(option.palette.color(role))
        height = option.fontMetrics.height()
        for i, line in enumerate(str(index.data()).split("\n")):
            place = QRect(option.rect.x() + 2, picture.bottom() + 2 + i * height, option.rect.width() - 4, height)
            text = option.fontMetrics.elidedText(line, Qt.TextElideMode.ElideRight, place.width())
            painter.drawText(place, int(Qt.AlignmentFlag.AlignHCenter), text)
        painter.restore()


def tile_size(line_height: int) -> QSize:
    """Return the size of a cell with its two lines."""
    return QSize(PICTURE + 2 * MARGIN, PICTURE + 2 * MARGIN + 2 * line_height + 2)


def _draw_picture(painter: QPainter, place: QRect, pixmap: QPixmap | None, palette: QPalette) -> None:
    if pixmap is None:
        side = QRect(0, 0, PICTURE, PICTURE)
        side.moveCenter(place.center())
        painter.setPen(palette.color(QPalette.ColorRole.Mid))
        painter.drawRect(side.adjusted(1, 1, -2, -2))
        return
    size = pixmap.size().scaled(PICTURE, PICTURE, Qt.AspectRatioMode.KeepAspectRatio)
    target = QRect(0, 0, size.width(), size.height())
    target.moveCenter(place.center())
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, pixmap.width() >= PICTURE)
    painter.drawPixmap(target, pixmap)


class CellGrid(QListView):
    """Cells side by side, as many in a line as fit.

    Parameters
    ----------
    thumbnails : Thumbnails
        Makes the pictures.
    one_line : bool
        One line, of what fits.

    Attributes
    ----------
    opened : Signal(object)
        The `Cell` that was double-clicked, or chosen by Enter.
    """

    opened = Signal(object)

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None, *, one_line: bool = False) -> None:
        super().__init__(parent)
        self.cells = CellModel(thumbnails, self)
        self.setModel(self.cells)
        self.setItemDelegate(CellDelegate(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSpacing(1)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.doubleClicked.connect(self._open)
        if one_line:
            self.setWrapping(False)
            self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.setFixedHeight(tile_size(self.fontMetrics().height()).height() + 10)
        else:
            self.setMinimumHeight(tile_size(self.fontMetrics().height()).height() + 8)

    def show_cells(self, cells: Sequence[Cell], latent: int | None, full: float = 1.0) -> None:
        """Show cells from the first on."""
        chosen = self.chosen
        self.cells.show(cells, latent, full)
        self.scrollToTop()
        again = [i for i, cell in enumerate(cells) if chosen is not None and cell.row == chosen.row]
        if again:
            self.setCurrentIndex(self.cells.index(again[0]))

    @property
    def chosen(self) -> Cell | None:
        """The cell that is selected."""
        index = self.currentIndex()
        return self.cells.cells[index.row()] if index.isValid() else None

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Open the chosen cell by Enter."""
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.chosen is not None:
            self.opened.emit(self.chosen)
            return
        super().keyPressEvent(event)

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(self.cells.cells[index.row()])
