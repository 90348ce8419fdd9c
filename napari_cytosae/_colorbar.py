"""The colour bar of a heat map: pattern strength in units of activation, with τ marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_cytosae._facts import number
from napari_cytosae._listening import Listening
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._rows import exceeds

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_cytosae._session import Session

ABOUT = (
    "Pattern strength of a patch (activation): one scale for all pictures, up to the strongest patch in the whole "
    "atlas. The mark is the least strength that is coloured (threshold τ)."
)
BEYOND = " This picture goes beyond it, up to {}; such patches are coloured as the end of the bar is."
SLIDE = QColor(240, 232, 238)
"""What a heat map lies over: a bright smear. The bar shows its clear end on it in either theme."""


class ColorBar(Listening, QWidget):
    """Says what the colour of a slot's heat map means; hidden space while the slot is empty.

    Parameters
    ----------
    session : Session
        What is shown.
    slot : int
        0 or 1.
    parent : QWidget, optional
        As usual.
    """

    def __init__(self, session: Session, slot: int = 0, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.slot = session, slot
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._beyond: float | None = None
        self.setToolTip(ABOUT)
        self.listen(session.latent_changed, self._measure, slot)
        self.listen(session.scene_changed, self._measure)
        for signal in (session.source_changed, session.names_changed, session.view_changed):
            self.listen(signal, self._on_change)

    def sizeHint(self) -> QSize:
        """Room for a title, the bar and its numbers; none while the slot is empty."""
        line = self.fontMetrics().height()
        return QSize(14 * line, 3 * line + 10 if self.title() else 0)

    def minimumSizeHint(self) -> QSize:
        """Return the same height, and less width."""
        return QSize(5 * self.fontMetrics().height(), self.sizeHint().height())

    def title(self) -> str:
        """Return the name of the concept, empty while there is none."""
        latent = self.session.latent(self.slot)
        return "" if latent is None else self.session.describe(latent)

    def ticks(self) -> list[float]:
        """Return the activations that are written below the bar."""
        latent = self.session.latent(self.slot)
        return [] if latent is None else nice_ticks(self.session.full_scale(latent))

    def remark(self) -> str:
        """Return what is said beside the name where the picture goes beyond the end of the bar."""
        return "" if self._beyond is None else f" · here up to {number(self._beyond)}, beyond the end"

    def _measure(self, *changed: int) -> None:
        """See whether the picture goes beyond the strongest patch of the atlas."""
        scene, latent, self._beyond = self.session.scene, self.session.latent(self.slot), None
        if scene is not None and latent is not None and self.session.atlas is not None:
            here = max(float(part.image.codes.heatmap(latent).max()) for part in scene.parts)
            self._beyond = here if exceeds(here, self.session.full_scale(latent)) else None
        self.setToolTip(ABOUT + (BEYOND.format(number(self._beyond)) if self._beyond is not None else ""))
        self._on_change()

    def _on_change(self, *changed: int) -> None:
        self.updateGeometry()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint title, bar, ticks and τ in the colours of the theme."""
        latent = self.session.latent(self.slot)
        if latent is None:
            return
        full, metrics = self.session.full_scale(latent), self.fontMetrics()
        line, side = metrics.height(), metrics.horizontalAdvance("0.00") / 2
        bar = QRectF(side, line + 3, max(1.0, self.width() - 2 * side), line - 2)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        text = self.palette().windowText().color()
        painter.setPen(text)
        room = self.width() - metrics.horizontalAdvance(self.remark())
        title = metrics.elidedText(self.title(), Qt.TextElideMode.ElideMiddle, room) + self.remark()
        painter.drawText(QRectF(0, 0, self.width(), line), Qt.AlignmentFlag.AlignCenter, title)
        painter.fillRect(bar, SLIDE)
        painter.fillRect(bar, self._gradient(bar))
        painter.drawRect(bar)
        for value in self.ticks():
            x = bar.left() + bar.width() * value / full
            painter.drawLine(QPointF(x, bar.bottom()), QPointF(x, bar.bottom() + 3))
            place = QRectF(x - 2 * side, bar.bottom() + 4, 4 * side, line)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, f"{value:.4g}")
        self._mark_threshold(painter, bar, full)
        painter.end()

    def _gradient(self, bar: QRectF) -> QLinearGradient:
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for place, alpha in ((0.0, 0.0), (1.0, self.session.opacity)):
            colour = QColor(ACCENTS[self.slot])
            colour.setAlphaF(alpha)
            gradient.setColorAt(place, colour)
        return gradient

    def _mark_threshold(self, painter: QPainter, bar: QRectF, full: float) -> None:
        """Blank what is not coloured, and draw a line at τ."""
        share = min(self.session.threshold / full, 1.0)
        if share <= 0:
            return
        painter.fillRect(QRectF(bar.left(), bar.top(), bar.width() * share, bar.height()), SLIDE)
        x = bar.left() + bar.width() * share
        painter.setPen(QPen(QColor("black"), 2))
        painter.drawLine(QPointF(x, bar.top()), QPointF(x, bar.bottom()))


def nice_ticks(full: float, n: int = 4) -> list[float]:
    """Return about `n` round numbers from 0 to at most `full`, apart by 1, 2 or 5 times a power of ten."""
    if not (np.isfinite(full) and full > 0):
        return [0.0]
    rough = full / n
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9)))
    return [round(step * i, 12) if step > 1e-9 else step * i for i in range(int(full / step + 1e-9) + 1)]
