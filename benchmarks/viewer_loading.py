"""How long the window of the viewer is held up while something is loaded: a timer that should tick every 10 ms."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TICK_MS, LOOK_MS = 10, 50
REST = 1.0
"""Seconds without work after which something is loaded."""
LONGEST = 500.0
"""Seconds that loading may take."""
Times = dict[str, list[float]]


class Ticks:
    """The largest gap between two ticks of a timer on the GUI thread, milliseconds."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.largest, self._last = 0.0, time.perf_counter()
        self._timer = QTimer()
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.largest, self._last = max(self.largest, 1000 * (now - self._last)), now

    def stop(self) -> float:
        """Return the largest gap."""
        self._timer.stop()
        return self.largest


def wait(busy: Callable[[], bool], rest: float = REST) -> None:
    """Let Qt work until nothing was busy for some seconds, in which other events had their turn too."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, until = QEventLoop(), time.monotonic() + LONGEST
    idle = [0]

    def look() -> None:
        idle[0] = 0 if busy() else idle[0] + 1
        if idle[0] * LOOK_MS > 1000 * rest or time.monotonic() > until:
            loop.quit()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(LOOK_MS)
    loop.exec()
    timer.stop()


def held_up(action: Callable[[], object], busy: Callable[[], bool]) -> tuple[float, float]:
    """Return the largest gap while something is done, and how long it took, milliseconds."""
    from qtpy.QtCore import QTimer

    ticks, start = Ticks(), time.perf_counter()
    QTimer.singleShot(0, action)
    wait(busy)
    return ticks.stop(), 1000 * (time.perf_counter() - start - REST)


def stage_loading(folder: Path) -> Times:
    """Open an atlas, make and open the sample, and read its picture, in a window with a picture in it."""
    os.environ["CYTOSAE_CACHE"] = str(folder / "cache")
    import napari

    from napari_cytosae._widget import CytosaeWidget

    viewer = napari.Viewer(show=True)
    viewer.add_image(np.full((64, 64, 3), 230, dtype=np.uint8))
    dock = CytosaeWidget(viewer)
    viewer.window.add_dock_widget(dock)

    def busy() -> bool:
        return bool(dock.start_page.jobs.busy or dock.load.jobs.busy)

    def seen(action: Callable[[], Any]) -> tuple[float, float]:
        return held_up(action, busy)

    wait(busy, 3 * REST)
    idle, _ = seen(lambda: None)
    atlas, opening = seen(lambda: dock.start_page.open(folder / "a.atlas.zarr"))
    sample, making = seen(dock.start_page.open_sample)
    assert dock.session.scene is not None, dock.start_page.message.text() or dock.load.result.text()
    picture, reading = seen(dock.load.analyse)
    return {
        "window held up, while nothing is done": [idle],
        "window held up, while an atlas is opened": [atlas],
        "window held up, while the sample is made": [sample],
        "window held up, while a picture is read": [picture],
        "opened through the dock, with imports": [opening],
        "sample made and read": [making],
        "picture read": [reading],
    }


def stage_imports(folder: Path) -> Times:
    """Import what the other stages do, so that libraries are compiled, as installers leave them."""
    import napari.viewer  # noqa: F401

    from napari_cytosae._imports import HEAVY, LEARNING, import_heavy

    import_heavy(HEAVY + LEARNING)
    return {}
