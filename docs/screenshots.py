"""Take the pictures of docs/viewer.md in a real napari window.

    xvfb-run -a -s "-screen 0 1400x900x24" python docs/screenshots.py ATLAS IMAGE OUT [LATENT]

ATLAS and IMAGE may be the demonstration's: cytosae-demo/demo.atlas.zarr and cytosae-demo/field.png.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_cytosae._widget import dock

PATIENCE = 180.0


def wait(until: Callable[[], bool]) -> None:
    """Let the window work until something is true."""
    end = time.monotonic() + PATIENCE
    while not until():
        QApplication.processEvents()
        time.sleep(0.01)
        if time.monotonic() > end:
            raise TimeoutError("the viewer does not get there")
    settle()


def settle(seconds: float = 1.0) -> None:
    """Let the window draw."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def shoot(viewer: Any, out: Path, name: str) -> None:
    """Save the window, in 256 colours."""
    settle()
    window = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    few = window.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    few.save(out / f"viewer-{name}.png", optimize=True)


def take(atlas: Path, image: Path, out: Path, latent: int | None) -> None:
    """Go through the dock, one picture per step."""
    out.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 768)
    widget = dock(viewer)
    shoot(viewer, out, "start")
    widget.start_page.ask_published()
    wait(lambda: not widget.start_page.jobs.busy)
    shoot(viewer, out, "published")
    widget.start_page.question.hide()
    widget.open(atlas, [image])
    wait(lambda: widget.session.scene is not None)
    chosen = int(widget.session.scene.latents(1).index[0]) if latent is None else latent
    widget.session.choose(chosen)
    widget.bring("Concepts")
    shoot(viewer, out, "heatmap")
    part = max(widget.session.scene.parts, key=lambda part: float(part.image.heatmap(chosen).max()))
    best = int(part.image.heatmap(chosen).argmax())
    place = part.boxes[best]
    widget.session.pinned = widget.session.scene.locate(float(place[[0, 2]].mean()), float(place[[1, 3]].mean()))
    for name in ("Ask", "Gallery", "Map", "Name", "Patient", "Export", "Load", "Help"):
        widget.bring(name)
        if name == "Patient":
            show_patient(widget.panels[name])
        settle(3.0 if name in ("Gallery", "Patient") else 1.0)
        shoot(viewer, out, name.lower())
    viewer.theme = "light"
    widget.bring("Concepts")
    shoot(viewer, out, "light")
    viewer.close()


def show_patient(panel: Any) -> None:
    """Choose the first patient of the atlas, if there is one."""
    settle()
    if panel.patients.count() > 1:
        panel.show_patient(panel.patients.itemText(1))
        wait(lambda: bool(panel.concepts.items()))


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else None)
