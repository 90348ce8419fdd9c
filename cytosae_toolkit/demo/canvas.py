"""The slide under the microscope: pigment per pixel, the masks, and the map from pixels to µm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cytosae_toolkit.demo.laboratories import PIGMENTS
from cytosae_toolkit.demo.masks import Bools, empty_masks
from cytosae_toolkit.demo.noise import Floats

SCALE_128 = 128 / 25
"""Pixels per µm at which 25 µm fill 128 pixels."""


@dataclass(frozen=True)
class View:
    """Which part of a scene the camera sees.

    Attributes
    ----------
    width, height : int
        Size of the image in pixels.
    scale : float
        Pixels per µm.
    x, y : float
        Scene point (µm) in the middle of the image.
    rotation : float
        Rotation of the camera in radians.
    """

    width: int
    height: int
    scale: float = SCALE_128
    x: float = 0.0
    y: float = 0.0
    rotation: float = 0.0

    def to_pixels(self, x: float, y: float) -> tuple[float, float]:
        """Map a scene point (µm) to (column, row) in pixels, the first pixel's middle being (0.5, 0.5)."""
        c, s = np.cos(self.rotation), np.sin(self.rotation)
        dx, dy = x - self.x, y - self.y
        column, row = (c * dx + s * dy) * self.scale, (c * dy - s * dx) * self.scale
        return float(column + self.width / 2), float(row + self.height / 2)

    def to_scene(self, columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Map pixel positions to scene points (µm); broadcasts."""
        c, s = np.float32(np.cos(self.rotation)), np.float32(np.sin(self.rotation))
        dx = (columns - np.float32(self.width / 2)) / np.float32(self.scale)
        dy = (rows - np.float32(self.height / 2)) / np.float32(self.scale)
        return np.float32(self.x) + c * dx - s * dy, np.float32(self.y) + s * dx + c * dy


@dataclass(frozen=True)
class Window:
    """The pixels around one object.

    Attributes
    ----------
    rows, columns : slice
        Where it lies in the image.
    x, y : float32 array [h, w]
        Scene coordinates of its pixels in µm, relative to the object's middle.
    """

    rows: slice
    columns: slice
    x: Floats
    y: Floats


class Canvas:
    """Pigments and masks of one image while it is painted.

    Parameters
    ----------
    view : View
        What the camera sees.

    Attributes
    ----------
    pigments : float32 array [4, H, W]
        Amount of each of `PIGMENTS` per pixel, 0 on the empty slide.
    masks : dict of str to bool array [H, W]
        What is seen where; see `cytosae_toolkit.demo.masks.MASKS`.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.pigments: Floats = np.zeros((len(PIGMENTS), view.height, view.width), dtype=np.float32)
        self.masks: dict[str, Bools] = empty_masks(view.height, view.width)

    def window(self, x: float, y: float, radius: float) -> Window | None:
        """Return the pixels within `radius` µm of a scene point (µm), or None where it is out of sight."""
        view = self.view
        column, row = view.to_pixels(x, y)
        reach = radius * view.scale + 1
        x0, x1 = max(0, int(column - reach)), min(view.width, int(column + reach) + 1)
        y0, y1 = max(0, int(row - reach)), min(view.height, int(row + reach) + 1)
        if x0 >= x1 or y0 >= y1:
            return None
        columns = np.arange(x0, x1, dtype=np.float32)[None, :] + np.float32(0.5)
        rows = np.arange(y0, y1, dtype=np.float32)[:, None] + np.float32(0.5)
        sx, sy = view.to_scene(columns, rows)
        return Window(slice(y0, y1), slice(x0, x1), sx - np.float32(x), sy - np.float32(y))

    def coverage(self, distance: Floats, softness: float = 0.0) -> Floats:
        """Turn signed distances (µm) into coverage 0-1: antialiased, plus an edge `softness` µm wide."""
        width = 1 / self.view.scale + softness
        return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1), dtype=np.float32)

    def mark(self, window: Window, name: str, visible: Bools) -> None:
        """Make the pixels of a window `visible` as `name`; whatever was seen there before is hidden."""
        for mask in self.masks.values():
            mask[window.rows, window.columns] &= ~visible
        self.masks[name][window.rows, window.columns] |= visible
