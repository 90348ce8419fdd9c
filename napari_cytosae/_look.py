"""How heat maps are shown: colour bars, the threshold τ, opacity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSlider, QWidget

from napari_cytosae._colorbar import ColorBar
from napari_cytosae._listening import Listening
from napari_cytosae._session import SLOTS

if TYPE_CHECKING:
    from napari_cytosae._session import Session

STEPS = 200


class LookPanel(Listening, QWidget):
    """Colour bars of both concepts, and sliders.

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
        self.threshold.setToolTip("Threshold τ: patches up to this strength (activation) stay without colour.")
        self.opacity.setToolTip("Opacity of the heat maps; 0 hides them.")
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 12, 0)
        layout.setColumnMinimumWidth(2, self.fontMetrics().horizontalAdvance("0.00123"))
        for slot in range(SLOTS):
            layout.addWidget(ColorBar(session, slot), slot, 0, 1, 5)
        for column, widget in enumerate(
            (QLabel("from strength"), self.threshold, self.value, QLabel("opacity"), self.opacity)
        ):
            layout.addWidget(widget, SLOTS, column)
        self.threshold.valueChanged.connect(self._set_threshold)
        self.opacity.valueChanged.connect(self._set_opacity)
        for signal in (session.view_changed, session.source_changed, session.scene_changed):
            self.listen(signal, self._show)
        self.listen(session.latent_changed, self._show)

    def _full(self) -> float:
        latent = self._session.latent(0)
        return 1.0 if latent is None else self._session.full_scale(latent)

    def _set_threshold(self, step: int) -> None:
        self._session.threshold = step / STEPS * self._full()

    def _set_opacity(self, step: int) -> None:
        self._session.opacity = step / STEPS

    def _show(self, *_: int) -> None:
        """Set the sliders to what the session says, without changing it."""
        places = (self.threshold, self._session.threshold / self._full()), (self.opacity, self._session.opacity)
        for widget, share in places:
            widget.blockSignals(True)
            widget.setValue(round(STEPS * min(share, 1.0)))
            widget.blockSignals(False)
        self.value.setText(f"{self._session.threshold:.3g}")


def slider() -> QSlider:
    """Return a horizontal slider of `STEPS` steps."""
    made = QSlider(Qt.Orientation.Horizontal)
    made.setRange(0, STEPS)
    made.setMinimumWidth(40)
    return made
