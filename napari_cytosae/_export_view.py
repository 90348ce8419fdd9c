"""The view as a picture for a slide: what the canvas shows, colour bars and a caption below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRect, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QImage, QLinearGradient, QPainter

from napari_cytosae._thumbnails import to_image

RESEARCH = "For research use only."
_BAR = 220
_PAD = 12
_LEAST_WIDTH = 420


@dataclass(frozen=True)
class Bar:
    """A colour bar.

    Parameters
    ----------
    colour : str
        Of full strength, such as ``"#E69F00"``.
    full : float
        Activation of full strength.
    title : str
        Whose.
    threshold : float
        τ: activation up to which nothing is coloured.
    opacity : float
        Of full strength, 0 to 1.
    """

    colour: str
    full: float
    title: str
    threshold: float = 0.0
    opacity: float = 1.0


def framed(view: NDArray[np.uint8], bars: Sequence[Bar], caption: Sequence[str]) -> QImage:
    """Return a picture with colour bars and lines of text below, dark on white.

    Parameters
    ----------
    view : uint8 array [H, W, 3 or 4]
        What the canvas shows; white is added beside one that is too narrow for words.
    bars : sequence of Bar
        Side by side.
    caption : sequence of str
        Lines.
    """
    height, width = view.shape[0], max(view.shape[1], _LEAST_WIDTH)
    font = QFont()
    font.setPixelSize(max(12, min(width // 60, 40)))
    line = int(font.pixelSize() * 1.4)
    bars_height = (3 * line + _PAD) if bars else 0
    image = QImage(width, height + bars_height + line * (len(caption) + 1) + 2 * _PAD, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    painter.drawImage(0, 0, to_image(view[..., :3]))
    painter.setFont(font)
    painter.setPen(QColor("black"))
    step = width // max(1, len(bars))
    for i, bar in enumerate(bars):
        _draw_bar(painter, bar, QRect(i * step + _PAD, height + _PAD, step - 2 * _PAD, line))
    for i, text in enumerate([*caption, RESEARCH]):
        place = QRect(_PAD, height + _PAD + bars_height + i * line, width - 2 * _PAD, line)
        painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter), _fitting(painter, text, place.width()))
    painter.end()
    return image


def _draw_bar(painter: QPainter, bar: Bar, place: QRect) -> None:
    line = place.height()
    painter.drawText(place, int(Qt.AlignmentFlag.AlignVCenter), _fitting(painter, bar.title, place.width()))
    colour = QRect(place.x(), place.y() + line, min(place.width(), _BAR * line // 16), line - 4)
    gradient = QLinearGradient(float(colour.left()), 0.0, float(colour.right()), 0.0)
    faint, strong = QColor(bar.colour), QColor(bar.colour)
    faint.setAlphaF(0.0)
    strong.setAlphaF(bar.opacity)
    begin = min(max(bar.threshold / bar.full, 0.0), 1.0) if bar.full > 0 else 0.0
    gradient.setColorAt(0, faint)
    if 0 < begin < 1:
        at = QColor(bar.colour)
        at.setAlphaF(begin * bar.opacity)
        gradient.setColorAt(begin - 1e-6, faint)
        gradient.setColorAt(begin, at)
    gradient.setColorAt(1, strong)
    painter.fillRect(QRectF(colour), gradient)
    painter.drawRect(colour)
    below = QRect(colour.x(), colour.bottom() + 1, colour.width(), line)
    painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), "0")
    painter.drawText(below, int(Qt.AlignmentFlag.AlignRight), f"{bar.full:.3g}")


def _fitting(painter: QPainter, text: str, width: int) -> str:
    return painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, width)
