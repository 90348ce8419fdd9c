"""Fitting the first picture into the canvas once the panels beside it have their sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_cytosae._pieces import pause

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

SETTLED_MS = 300
"""A canvas that keeps its size for so long has found it, milliseconds."""
MARGIN = 0.05
"""Of the canvas, which napari leaves free about a picture that it fits."""
NEARLY = 0.02
"""Share by which a zoom may differ from another that is taken for the same."""


class Fit(QObject):
    """Fits what is shown into the canvas again after the canvas became smaller, unless the user has moved the camera.

    napari fits the first picture as soon as it is added, before the panels beside the canvas have taken their room.

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Whose camera is moved.
    parent : QObject
        With which this goes.
    """

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer: Any = viewer
        self._left: tuple[float, ...] | None = None
        self._size: tuple[int, ...] = ()
        self._timer = pause(self, SETTLED_MS, self._look)
        self._running = False

    def start(self) -> None:
        """Wait for a first picture; one that napari fitted before the dock took its room is fitted again."""
        if self._running:
            return
        self._running = True
        self._viewer.layers.events.inserted.connect(self._on_inserted, position="last")
        if self._fitted_before():
            self._remember()
            self.again()

    def stop(self) -> None:
        """Wait no more."""
        if self._running:
            self._running = False
            self._timer.stop()
            self._viewer.layers.events.inserted.disconnect(self._on_inserted)

    def again(self) -> None:
        """Fit once the canvas keeps its size, if the camera stays where it was put."""
        if self._left is not None and self._running:
            self._size = ()
            self._timer.start()

    def _on_inserted(self, event: Any = None) -> None:
        if len(self._viewer.layers) == 1:
            self._remember()
            self.again()

    def _look(self) -> None:
        if self._place() != self._left or not len(self._viewer.layers):
            self._left = None
        elif tuple(self._viewer.canvas.size) != self._size:
            self._size = tuple(self._viewer.canvas.size)
            self._timer.start()
        elif not self._fits():
            self._viewer.reset_view()
            self._remember()

    def _place(self) -> tuple[float, ...]:
        camera = self._viewer.scene.camera
        return (*map(float, camera.center), float(camera.zoom), *map(float, camera.angles))

    def _remember(self) -> None:
        self._left = self._place()

    def _fits(self) -> bool:
        """Say whether the zoom is that at which napari fits what there is into the canvas as it is."""
        fitting = self._fitting()
        return fitting is not None and abs(self._viewer.scene.camera.zoom / fitting - 1) < NEARLY

    def _fitted_before(self) -> bool:
        """Say whether all lies in the middle, fitted into this canvas, or into one wider by the dock at most."""
        parent = self.parent()
        low, high = self._fitting(), self._fitting(parent.width() if isinstance(parent, QWidget) else 0)
        if low is None or high is None:
            return False
        camera, middle = self._viewer.scene.camera, self._extent().mean(axis=0)
        near = np.allclose(camera.center[-2:], middle, atol=NEARLY / camera.zoom)
        return bool(near and low * (1 - NEARLY) < camera.zoom < high * (1 + NEARLY))

    def _extent(self) -> NDArray[np.float64]:
        """Return the first and the last corner of what is displayed, float64 [2, 2]."""
        return np.asarray(self._viewer.layers.extent.world[:, list(self._viewer.dims.displayed)], dtype=np.float64)

    def _fitting(self, wider: float = 0.0) -> float | None:
        """Return the zoom at which napari fits all into the canvas, were it wider by so many pixels."""
        viewer = self._viewer
        if not len(viewer.layers) or viewer.dims.ndisplay != 2:
            return None
        low, high = self._extent()
        room = np.asarray(viewer.canvas.viewbox_size(viewer.layers)) + np.array([0, wider])
        return (1 - MARGIN) * float(np.min(room / np.maximum(high - low, 1e-9)))
