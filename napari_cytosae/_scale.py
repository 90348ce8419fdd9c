"""The scale of a picture: as it tells itself, from a line across a red cell, or as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QPushButton, QVBoxLayout, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._layer_list import AID
from napari_cytosae._pixels import Picture

if TYPE_CHECKING:
    from napari.layers import Shapes

RED_CELL_UM = 7.5
LINE = "red cell (draw across)"
_KEY = "cytosae_red_cell"
FROM_PICTURE, FROM_LINE, BY_HAND = range(3)
FIRST_GUESS = 40.0
"""Pixels that a red cell measures, proposed before any was measured."""
PLAUSIBLE = (0.02, 2.0)
"""Micrometres per pixel that a light microscope gives."""


class ScaleChooser(QWidget):
    """Says how large a red cell is in the picture.

    Parameters
    ----------
    viewer : napari viewer
        To which the layer for the line is added.
    parent : QWidget, optional
        Qt parent.

    Attributes
    ----------
    changed : Signal()
        Another way, another line, another number.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._picture: Picture | None = None
        self._line: Shapes | None = None
        self.way, self.draw, self.number, self.text = QComboBox(), QPushButton("Draw"), QDoubleSpinBox(), QLabel()
        for text in ("as the picture tells, else estimated", "line across a red cell", "a red cell measures"):
            self.way.addItem(text)
        self.way.setToolTip("Cells are cropped as large as in the model's training images; that needs the scale.")
        self.draw.setToolTip(f"Draw a line across a red cell; it is taken as {RED_CELL_UM} µm")
        self.number.setToolTip(f"Diameter of a red cell in the picture, in pixels; it is taken as {RED_CELL_UM} µm")
        self.number.setRange(3.0, 2000.0)
        self.number.setValue(FIRST_GUESS)
        self.number.setDecimals(1)
        self.number.setSuffix(" pixels")
        self.text.setWordWrap(True)
        narrow(self.way)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.way, self.draw, self.number, self.text):
            layout.addWidget(widget)
        self.way.currentIndexChanged.connect(self._way_chosen)
        self.number.valueChanged.connect(self._update)
        self.draw.clicked.connect(self.start_line)
        self._update()

    def set_picture(self, picture: Picture | None) -> None:
        """Ask about another picture."""
        self._picture = picture
        self._update()

    def arguments(self) -> dict[str, float]:
        """Return the scale as keyword arguments of `cytosae_toolkit.explore.analysing.analyse`; empty: estimate it.

        Raises
        ------
        CytosaeError
            If it is to be measured by a line and none is drawn.
        """
        if self.way.currentIndex() == BY_HAND:
            return {"red_cell_diameter": self.number.value()}
        if self.way.currentIndex() == FROM_LINE:
            length = self.line_length()
            if length is None:
                raise CytosaeError("Draw a line across a red cell first, or choose another scale.")
            return {"red_cell_diameter": length}
        size = None if self._picture is None else self._picture.field.pixel_size
        return {"pixel_size": size} if size is not None and PLAUSIBLE[0] <= size <= PLAUSIBLE[1] else {}

    def start_line(self) -> None:
        """Let a line be drawn, in a Shapes layer over the picture."""
        self.way.setCurrentIndex(FROM_LINE)
        self._draw_line()

    def used(self, diameter: float) -> None:
        """Propose a size by which a picture was read, the next time that a number is asked for, in pixels."""
        if self.way.currentIndex() != BY_HAND:
            self.number.setValue(diameter)

    def _way_chosen(self, *_: Any) -> None:
        if self.way.currentIndex() == FROM_LINE and self.line_length() is None:
            self._draw_line()
        self._update()

    def _draw_line(self) -> None:
        if self._picture is None:
            return
        if self._line is None or self._line not in self._viewer.layers:
            self._line = self._add_layer(self._picture)
        self._viewer.layers.selection.active = self._line
        self._line.mode = "add_line"

    def _add_layer(self, picture: Picture) -> Shapes:
        from napari_cytosae._geometry import place

        line: Shapes = self._viewer.add_shapes(
            None, name=LINE, ndim=picture.layer.ndim, face_color="transparent", edge_color="#D55E00",
            edge_width=2, metadata={_KEY: True, AID: True}, **place(picture.layer, picture.frame).arguments(),
        )  # fmt: skip
        line.events.data.connect(self._update)
        return line

    def line_length(self) -> float | None:
        """Return the length of the newest line in the picture's pixels, None if there is none."""
        if self._line is None or self._picture is None or self._line not in self._viewer.layers:
            return None
        lines = [data for data, kind in zip(self._line.data, self._line.shape_type, strict=True) if kind == "line"]
        if not lines:
            return None
        ends = to_pixels(self._picture, self._line, np.asarray(lines[-1], dtype=np.float64))
        length = float(np.hypot(*(ends[1] - ends[0])))
        return length if length >= 3 else None

    def _update(self, *_: Any) -> None:
        way = self.way.currentIndex()
        length = self.line_length() if way == FROM_LINE else None
        if length is not None:
            self.used(length)
        self.draw.setVisible(way == FROM_LINE)
        self.number.setVisible(way == BY_HAND)
        self.text.setText(self._says(way))
        self.changed.emit()

    def _says(self, way: int) -> str:
        if way == FROM_LINE and self.line_length() is None:
            return "Draw a line across a red cell."
        found = self.arguments()
        if "red_cell_diameter" in found:
            diameter = found["red_cell_diameter"]
            return f"A red cell is {diameter:.0f} pixels wide: {RED_CELL_UM / diameter:.3g} µm per pixel."
        if "pixel_size" in found:
            return f"{found['pixel_size']:.3g} µm per pixel, from the layer."
        return "The picture tells no scale: it is estimated."


def narrow(combo: QComboBox) -> None:
    """Let a list be narrower than its longest entry, which is seen whole once it is open."""
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)


def is_line(layer: Any) -> bool:
    """Say whether a layer is there for the line across a red cell, whatever its name is by now."""
    return _KEY in layer.metadata


def to_pixels(picture: Picture, layer: Any, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points of another layer, [n, ndim], as ``x, y`` in the picture's pixels, float64 [n, 2].

    Parameters
    ----------
    picture : Picture
        In whose pixels.
    layer : Layer
        In whose data coordinates the points are.
    points : float64 array [n, ndim]
        The points; where they lie on the other axes does not count.
    """
    frame, found = picture.frame, []
    for point in points:
        world = np.atleast_1d(layer.data_to_world(point))
        own = np.zeros(picture.layer.ndim)
        n = min(len(world), len(own))
        own[len(own) - n :] = world[len(world) - n :]
        data = np.asarray(picture.layer.world_to_data(own), dtype=np.float64)
        y, x = (data[list(frame.axes)] + 0.5) / frame.step
        found.append((x, y))
    return np.asarray(found, dtype=np.float64)
