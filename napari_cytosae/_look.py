"""How heat maps are shown: colour bars, whether at all, the threshold τ, opacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QSlider, QWidget

from napari_cytosae._colorbar import ColorBar
from napari_cytosae._listening import Listening
from napari_cytosae._session import SLOTS

if TYPE_CHECKING:
    from napari_cytosae._session import Session

STEPS = 200


class LookPanel(Listening, QWidget):
    """Colour bars of both concepts, a check box that hides the heat maps, and sliders.

    Parameters
    ----------
    session : Session
        What is shown, and how.
    parent : QWidget, optional
        Qt parent.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.threshold, self.opacity, self.value = slider(), slider(), QLabel()
        self.threshold.setToolTip(
            "Patches up to this pattern strength stay without colour (threshold τ of the activation). Keys: , and ."
        )
        self.opacity.setToolTip("How much the strongest colour hides of the cell below (opacity).")
        self.shown = QCheckBox("Heat map (H)")
        self.shown.setToolTip(
            "Show the heat map; off: the cell as it was photographed. Key H, once the picture was clicked."
        )
        self._lay_out()
        self.shown.toggled.connect(self._set_shown)
        self.threshold.valueChanged.connect(self._set_threshold)
        self.opacity.valueChanged.connect(self._set_opacity)
        for signal in (session.view_changed, session.source_changed, session.scene_changed):
            self.listen(signal, self._show)
        self.listen(session.latent_changed, self._show)

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 12, 0)
        layout.setVerticalSpacing(2)
        layout.setColumnMinimumWidth(3, self.fontMetrics().horizontalAdvance("0.00123"))
        for slot in range(SLOTS):
            layout.addWidget(ColorBar(self._session, slot), slot, 0, 1, 4)
        layout.addWidget(self.shown, SLOTS, 0, 2, 1)
        rows = (QLabel("opacity"), self.opacity), (QLabel("colour above"), self.threshold, self.value)
        for row, widgets in enumerate(rows, start=SLOTS):
            for column, widget in enumerate(widgets, start=1):
                layout.addWidget(widget, row, column)

    def _full(self) -> float:
        latent = self._session.latent(0)
        return 1.0 if latent is None else self._session.full_scale(latent)

    def _set_threshold(self, step: int) -> None:
        self._session.threshold = step / STEPS * self._full()

    def _set_opacity(self, step: int) -> None:
        self._session.opacity = step / STEPS
        self._session.heat_shown = True

    def _set_shown(self, on: bool) -> None:
        self._session.heat_shown = on

    def _show(self, *_: int) -> None:
        """Set the sliders to what the session says, without changing it."""
        places = (self.threshold, self._session.threshold / self._full()), (self.opacity, self._session.opacity)
        for widget, share in places:
            widget.blockSignals(True)
            widget.setValue(round(STEPS * min(share, 1.0)))
            widget.blockSignals(False)
        self.shown.setChecked(self._session.heat_shown)
        self.value.setText(f"{self._session.threshold:.3g}")


def slider() -> QSlider:
    """Return a horizontal slider of `STEPS` steps."""
    made = QSlider(Qt.Orientation.Horizontal)
    made.setRange(0, STEPS)
    made.setMinimumWidth(40)
    return made
