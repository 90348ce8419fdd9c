"""All concepts as points: how often each is found against how strong it is, coloured by cell-type purity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPixmap, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_cytosae._cloud import LEVELS, Cloud, cloud_of, decades, disc, palette
from napari_cytosae._concept_list import slot_of
from napari_cytosae._facts import Facts, doubtful, facts_of, fires_everywhere
from napari_cytosae._listening import Listening
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._session import SLOTS, Session

LEFT, TOP, RIGHT, BOTTOM = 58, 26, 12, 40
"""Margins about the plot, pixels."""
REACH = 24.0
"""How far from a point a click still means it, pixels."""
NAMED_RINGS = 500
"""Rings drawn about named concepts at most, the strongest ones'."""
ABSCISSA = "pattern strength, average over the cells that show it"


class ConceptScatter(Listening, QWidget):
    """A plot of all concepts to pick from; a click shows the nearest, with Shift or Ctrl as the second one.

    Parameters
    ----------
    session : Session
        Hears which was picked.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._cloud: Cloud | None = None
        self._drawn: QPixmap | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(220, 180)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.listen(session.source_changed, self._renew)
        self.listen(session.view_changed, self._renew)
        self.listen(session.names_changed, self._renew)
        self.listen(session.latent_changed, lambda _: self.update(), 0)

    def sizeHint(self) -> QSize:
        """Return the size that it would like."""
        return QSize(420, 340)

    @property
    def cloud(self) -> Cloud:
        """What is drawn."""
        if self._cloud is None:
            facts = facts_of(self.session)
            hidden = np.zeros(len(facts), dtype=bool)
            if self.session.hide_everywhere:
                hidden |= fires_everywhere(self.session)
            if not self.session.show_flagged:
                hidden |= doubtful(self.session)
            self._cloud = cloud_of(facts, ~hidden)
        return self._cloud

    def _renew(self) -> None:
        self._cloud = None
        self._redraw()

    def _redraw(self) -> None:
        self._drawn = None
        self.update()

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Draw anew."""
        super().resizeEvent(event)
        self._redraw()

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw anew in the colours of another theme."""
        super().changeEvent(event)
        kinds = QEvent.Type
        if event is not None and event.type() in (kinds.PaletteChange, kinds.StyleChange, kinds.FontChange):
            self._redraw()

    # Places

    @property
    def frame(self) -> QRectF:
        """The plot within its margins, pixels of the widget."""
        return QRectF(LEFT, TOP, max(self.width() - LEFT - RIGHT, 1), max(self.height() - TOP - BOTTOM, 1))

    def place(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where points of the plot (log10) lie in the widget, pixels."""
        x0, x1, y0, y1 = self.cloud.limits
        frame = self.frame
        across, up = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
        return frame.left() + across * frame.width(), frame.bottom() - up * frame.height()

    def nearest(self, point: QPointF, reach: float = REACH) -> int | None:
        """Return the concept nearest to a point of the widget, None if none is within reach."""
        cloud = self.cloud
        if not len(cloud.latents):
            return None
        x, y = self.place(cloud.x, cloud.y)
        distance = (x - point.x()) ** 2 + (y - point.y()) ** 2
        best = int(distance.argmin())
        return int(cloud.latents[best]) if distance[best] <= reach**2 else None

    # The mouse

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Choose the nearest concept."""
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        latent = self.nearest(event.position())
        if latent is not None:
            self.session.choose(latent, slot_of(event.modifiers()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Say which concept is under the cursor."""
        if event is None:
            return
        latent = self.nearest(event.position(), reach=8.0)
        if latent is None:
            QToolTip.hideText()
        else:
            text = f"{self.session.describe(latent)}\n{facts_of(self.session).sentence(latent)}"
            QToolTip.showText(event.globalPosition().toPoint(), text, self)

    # Painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the points, which are kept, and the rings of the chosen concepts."""
        if self._drawn is None or self._drawn.devicePixelRatio() != self.devicePixelRatioF():
            self._drawn = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(QPoint(0, 0), self._drawn)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        facts = facts_of(self.session)
        for slot in reversed(range(SLOTS)):
            latent = self.session.latent(slot)
            if latent is not None and latent < len(facts) and facts.strength[latent] > 0:
                self._ring(painter, facts, latent, ACCENTS[slot], 7 + 2 * slot)
        painter.end()

    def _ring(self, painter: QPainter, facts: Facts, latent: int, colour: str, radius: float) -> None:
        x, y = self.place(np.log10(facts.strength[[latent]]), np.log10(facts.frequency[[latent]]))
        for width, paint in ((5.0, self._colour(QPalette.ColorRole.Window)), (2.5, QColor(colour))):
            painter.setPen(QPen(paint, width))
            painter.drawEllipse(QPointF(x[0], y[0]), radius, radius)

    def _colour(self, role: QPalette.ColorRole) -> QColor:
        return self.palette().color(role)

    @property
    def dark(self) -> bool:
        """Whether the theme is dark."""
        return self._colour(QPalette.ColorRole.Window).lightness() < 128

    def _draw(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixmap = QPixmap.fromImage(self._draw_points(ratio))
        pixmap.setDevicePixelRatio(ratio)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_axes(painter)
        self._draw_names(painter)
        self._draw_scale(painter)
        painter.end()
        return pixmap

    def _draw_points(self, ratio: float) -> QImage:
        """Return all points as an image of the widget's size times `ratio`."""
        height, width = max(1, round(self.height() * ratio)), max(1, round(self.width() * ratio))
        canvas = np.full((height, width), self._colour(QPalette.ColorRole.Window).rgb(), dtype=np.uint32)
        cloud, colours = self.cloud, palette(self.dark)
        x, y = (np.rint(values * ratio).astype(np.int64) for values in self.place(cloud.x, cloud.y))
        for dy, dx in disc(1.6 * ratio if len(x) < 20_000 else 1.1 * ratio):
            canvas[np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)] = colours[cloud.colour]
        image = QImage(canvas.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32)
        return image.copy()

    def _draw_axes(self, painter: QPainter) -> None:
        frame, text = self.frame, self._colour(QPalette.ColorRole.WindowText)
        faint = QColor(text)
        faint.setAlpha(60)
        x0, x1, y0, y1 = self.cloud.limits
        metrics = painter.fontMetrics()
        for power in decades(x0, x1, most=int(frame.width() // 55)):
            x = self.place(np.array([float(power)]), np.array([y0]))[0][0]
            painter.setPen(faint)
            painter.drawLine(QPointF(x, frame.top()), QPointF(x, frame.bottom()))
            painter.setPen(text)
            box = QRectF(x - 40, frame.bottom() + 2, 80, metrics.height())
            painter.drawText(box, int(Qt.AlignmentFlag.AlignHCenter), f"{10.0**power:g}")
        for power in decades(y0, y1, most=int(frame.height() // 20)):
            y = self.place(np.array([x0]), np.array([float(power)]))[1][0]
            painter.setPen(faint)
            painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
            painter.setPen(text)
            box = QRectF(0, y - metrics.height() / 2, LEFT - 4, metrics.height())
            painter.drawText(box, int(Qt.AlignmentFlag.AlignRight), f"{100 * 10.0**power:g} %")
        painter.setPen(text)
        below = QRectF(frame.left(), self.height() - metrics.height() - 2, frame.width(), metrics.height())
        painter.drawText(below, int(Qt.AlignmentFlag.AlignHCenter), ABSCISSA)
        painter.drawText(QRectF(4, 2, frame.width() / 2, metrics.height()), 0, "found in … of cells")

    def _draw_names(self, painter: QPainter) -> None:
        """Ring the named concepts."""
        cloud = self.cloud
        named = np.flatnonzero(np.isin(cloud.latents, list(self.session.names())))
        strongest = named[np.argsort(-cloud.x[named], kind="stable")[:NAMED_RINGS]]
        x, y = self.place(cloud.x[strongest], cloud.y[strongest])
        painter.setPen(QPen(self._colour(QPalette.ColorRole.WindowText), 1.2))
        for centre in zip(x.tolist(), y.tolist(), strict=True):
            painter.drawEllipse(QPointF(*centre), 4.0, 4.0)

    def _draw_scale(self, painter: QPainter) -> None:
        """Explain the colours and rings in the upper margin."""
        metrics = painter.fontMetrics()
        colours, width = palette(self.dark), 60
        parts = ["named ○   purity: pure ", " mixed"]
        right = self.frame.right() - metrics.horizontalAdvance(parts[1])
        painter.setPen(self._colour(QPalette.ColorRole.WindowText))
        painter.drawText(QPointF(right, 2 + metrics.ascent()), parts[1])
        left = right - width
        for i in range(width):
            level = int(i / (width - 1) * (LEVELS - 1))
            painter.fillRect(QRectF(left + i, 5, 1.2, metrics.height() - 6), QColor(int(colours[level])))
        painter.drawText(QPointF(left - metrics.horizontalAdvance(parts[0]), 2 + metrics.ascent()), parts[0])
