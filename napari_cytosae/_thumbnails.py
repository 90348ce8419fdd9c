"""Small pictures of cells with their patches, made in a thread when a grid asks for them, and kept."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QImage, QPixmap

from cytosae_toolkit.progress import Progress
from napari_cytosae._jobs import Job, run_job
from napari_cytosae._pictures import Pictures

SIDE = 160
"""Longer side of a small picture, in pixels: enough for screens of double density."""
AT_ONCE = 6
KEPT = 800
DARK, LIGHT = np.array([115.0, 52.0, 0.0]), np.array([255.0, 205.0, 95.0])
"""What black and white are toned to where a concept is: orange as light and dark as the cell, so that chromatin and
granules are seen however many patches show it."""
TONE = 0.8
"""Of the strongest patches, 1 for no colour of their own."""
_SECONDS = 0.15
"""After which a batch shows what it has."""


@dataclass(frozen=True)
class Wanted:
    """A small picture.

    Parameters
    ----------
    row : int
        Of the pictures.
    latent : int or None
        Whose patches are coloured; None for the picture as it is.
    full : float
        Activation of full colour.
    """

    row: int
    latent: int | None
    full: float = 1.0


class Thumbnails(QObject):
    """Keeps small pictures, and makes those that are missing, those asked for last first.

    Attributes
    ----------
    made : Signal(object)
        The `Wanted` that is there now.
    """

    made = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pictures: Pictures | None = None
        self._kept: OrderedDict[Wanted, QPixmap | None] = OrderedDict()
        self._wanted: OrderedDict[Wanted, None] = OrderedDict()
        self._job: Job[Any] | None = None

    def set_pictures(self, pictures: Pictures | None) -> None:
        """Forget everything, and take pictures from elsewhere."""
        if pictures is not self._pictures:
            self.cancel()
            self._pictures = pictures
            self._kept.clear()

    def get(self, wanted: Wanted) -> QPixmap | None:
        """Return a small picture; None if it is not there yet, then `made` tells when it is."""
        if wanted in self._kept:
            self._kept.move_to_end(wanted)
            return self._kept[wanted]
        self._wanted[wanted] = None
        self._wanted.move_to_end(wanted)
        self._next()
        return None

    def cancel(self) -> None:
        """Forget what was asked for and is not there yet."""
        self._wanted.clear()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _next(self) -> None:
        if self._job is not None or not self._wanted or self._pictures is None:
            return
        batch = [self._wanted.popitem(last=True)[0] for _ in range(min(AT_ONCE, len(self._wanted)))]
        pictures = self._pictures

        def make(progress: Progress) -> list[tuple[Wanted, NDArray[np.uint8] | None]]:
            with progress.task("Reading pictures", len(batch), "pictures") as task:
                made: list[tuple[Wanted, NDArray[np.uint8] | None]] = []
                until = time.monotonic() + _SECONDS
                for wanted in batch:
                    if not made or time.monotonic() < until:
                        made.append((wanted, small_picture(pictures, wanted)))
                    task.advance()
            return made

        self._job = run_job(self, make, lambda made: self._keep(batch, made), failed=lambda _: self._give_up(batch))

    def _keep(self, batch: list[Wanted], made: list[tuple[Wanted, NDArray[np.uint8] | None]]) -> None:
        self._job = None
        for late in reversed(batch[len(made) :]):
            self._wanted[late] = None
        for wanted, pixels in made:
            self._put(wanted, None if pixels is None else to_pixmap(pixels))
        self._next()

    def _give_up(self, batch: list[Wanted]) -> None:
        self._job = None
        for wanted in batch:
            self._put(wanted, None)
        self._next()

    def _put(self, wanted: Wanted, pixmap: QPixmap | None) -> None:
        self._kept[wanted] = pixmap
        self._wanted.pop(wanted, None)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self.made.emit(wanted)


def small_picture(pictures: Pictures, wanted: Wanted) -> NDArray[np.uint8] | None:
    """Return a picture, no side longer than `SIDE`, its active patches orange, uint8 [h, w, 3]; None without one.

    Without a latent, and where its heat map is not known, in its own colours.
    """
    from PIL import Image

    picture = pictures.picture(wanted.row)
    if picture is None:
        return None
    heat = None if wanted.latent is None else pictures.heatmap(wanted.latent, wanted.row)
    if heat is not None:
        picture = mark(picture, heat / (wanted.full or 1.0), pictures.patch_boxes(wanted.row))
    small = Image.fromarray(picture)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small)


def mark(picture: NDArray[np.uint8], heat: NDArray[np.floating], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a picture with active patches toned orange, its own colours muted so that these stand out.

    Parameters
    ----------
    picture : uint8 array [H, W, 3]
        RGB.
    heat : float array [rows, columns]
        0 (silent) to 1; the tone grows with the square root, so that weak patches are seen.
    boxes : float64 array [patches, 4]
        ``x0, y0, x1, y1`` in the picture's pixels.
    """
    from cytosae_toolkit.figures.heat import upsample

    tone = TONE * np.sqrt(np.clip(upsample(heat, boxes, picture.shape), 0, 1))[..., None]
    grey = picture.mean(axis=2, keepdims=True)
    toned, muted = DARK + grey / 255 * (LIGHT - DARK), 50 + 0.5 * picture + 0.3 * grey
    return np.asarray(np.rint(tone * toned + (1 - tone) * muted), dtype=np.uint8)


def to_pixmap(pixels: NDArray[np.uint8]) -> QPixmap:
    """Return pixels, uint8 [h, w, 3], as what Qt draws."""
    return QPixmap.fromImage(to_image(pixels))


def to_image(pixels: NDArray[np.uint8]) -> QImage:
    """Return pixels, uint8 [h, w, 3], as Qt's image."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).tobytes()
    return QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
