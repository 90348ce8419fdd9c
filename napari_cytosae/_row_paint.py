"""How a row of a list of concepts is painted: a bar behind its value, marks and badges beside its name."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_cytosae._overlay import ACCENTS
from napari_cytosae._rows import BADGES, BAR, SLOTS


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
