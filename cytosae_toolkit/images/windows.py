"""Large smear fields in pieces: windows are read by the pixel rules of `decode`, and laid out over a field."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import numpy as np

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import (
    MAX_SAMPLES,
    Box,
    box_problem,
    decode,
    explained,
    is_tiff,
    max_pixels,
    opened,
    pillow_image,
    refuse_size,
)
from cytosae_toolkit.images.pixel_size import pixel_size_from_dpi
from cytosae_toolkit.images.pixels import RGB, oriented
from cytosae_toolkit.images.tiff import TiffPage


class _Source(Protocol):
    size: tuple[int, int]
    pixel_size: float | None

    def read(self, box: Box) -> RGB: ...

    def close(self) -> None: ...


class Field:
    """A field of a smear of any size, read in windows; made by `open_field`. Safe to read from several threads.

    Attributes
    ----------
    path : Path
        The file.
    shape : (int, int, int)
        Height and width after orientation, and 3.
    pixel_size : float or None
        Micrometres per pixel where the file tells.
    """

    def __init__(self, path: Path, source: _Source) -> None:
        self.path = path
        self._source = source
        self._lock = threading.Lock()
        self.shape = (source.size[1], source.size[0], 3)
        self.pixel_size = source.pixel_size

    def read_window(self, x0: int, y0: int, x1: int, y1: int) -> RGB:
        """Decode a box, half-open, in pixels of the oriented image.

        Returns
        -------
        uint8 array [y1 - y0, x1 - x0, 3]

        Raises
        ------
        UnreadableImage
            The box leaves the field, is above the limit on pixels, or its data are damaged.
        """
        with explained(self.path):
            problem = box_problem((x0, y0, x1, y1), self.shape[1], self.shape[0])
            if problem is not None:
                raise ValueError(problem)
            if (x1 - x0) * (y1 - y0) > max_pixels():
                raise ValueError(f"a window of {x1 - x0} x {y1 - y0} pixels is more than the limit of {max_pixels():,}")
            with self._lock:
                return np.array(self._source.read((x0, y0, x1, y1)), order="C")

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_field(path: str | os.PathLike[str]) -> Field:
    """Open an image to read windows of it.

    A TIFF is read tile by tile (or strip by strip): memory depends on the window, and the limit on pixels
    (`decode.MAX_PIXELS`) applies to a tile and to a window instead of the whole. Any other file is decoded once.
    The one difference to `decode`: an alpha channel that is zero in a whole window is ignored in that window.

    Raises
    ------
    UnreadableImage
        Not an image, or a header that no file of this length can have.
    """
    path = Path(path)
    with explained(path):
        with opened(path) as stream:
            windowed = is_tiff(stream)
        return Field(path, _TiffWindows(path) if windowed else _Whole(path))


class _TiffWindows:
    """Windows of the first page of a TIFF."""

    def __init__(self, path: Path) -> None:
        self._stream: BinaryIO = path.open("rb")
        try:
            self._page = TiffPage(self._stream)
            self._check_header()
        except BaseException:
            self._stream.close()
            raise
        width, height = self._page.size
        self._turned = self._page.orientation >= 5
        self.size = (height, width) if self._turned else (width, height)
        self.pixel_size = self._page.pixel_size

    def _check_header(self) -> None:
        width, height = self._page.size
        refuse_size((width, height), width * height, self._stream, limit=width * height)  # by its bytes alone
        refuse_size((width, height), self._page.segment_extent, self._stream, max_pixels())
        if self._page.n_samples > MAX_SAMPLES:
            raise ValueError(f"it has {self._page.n_samples} samples per pixel")

    def read(self, box: Box) -> RGB:
        x0, y0, x1, y1 = box
        orientation = self._page.orientation
        if orientation in (2, 3, 6, 7):
            x0, x1 = self.size[0] - x1, self.size[0] - x0
        if orientation in (3, 4, 7, 8):
            y0, y1 = self.size[1] - y1, self.size[1] - y0
        if self._turned:
            x0, y0, x1, y1 = y0, x0, y1, x1
        return oriented(self._page.rgb_window(x0, y0, x1, y1), orientation)

    def close(self) -> None:
        self._stream.close()


class _Whole:
    """Windows of a picture that is decoded at once."""

    def __init__(self, path: Path) -> None:
        self._pixels: RGB = decode(path)
        self.size = (self._pixels.shape[1], self._pixels.shape[0])
        with path.open("rb") as stream:
            self.pixel_size = pixel_size_from_dpi(pillow_image(stream).info.get("dpi"))

    def read(self, box: Box) -> RGB:
        x0, y0, x1, y1 = box
        return self._pixels[y0:y1, x0:x1]

    def close(self) -> None:
        self._pixels = self._pixels[:0]


def window_grid(shape: tuple[int, ...], window: int, overlap: float = 0.5) -> list[Box]:
    """Lay square windows over a field, all of one size, evenly spread, without a gap.

    Parameters
    ----------
    shape : (int, int, ...)
        Height and width of the field.
    window : int
        Side in pixels. Where the field is smaller, the windows are as high or wide as the field.
    overlap : float
        Share of a window that its neighbour covers at least, 0 to below 1.

    Returns
    -------
    list of (x0, y0, x1, y1)
        Row by row from the upper left; the outermost windows end with the field.

    Raises
    ------
    CytosaeError
        A window without pixels, or an overlap outside 0 to 1.
    """
    if window < 1 or not 0 <= overlap < 1:
        raise CytosaeError(
            f"A window of {window} pixels with an overlap of {overlap} is not possible.",
            "Give a window of 1 pixel or more and an overlap of 0 to below 1.",
        )
    rows, columns = (_starts(length, min(window, length), overlap) for length in shape[:2])
    height, width = min(window, shape[0]), min(window, shape[1])
    return [(x, y, x + width, y + height) for y in rows for x in columns]


def _starts(length: int, window: int, overlap: float) -> list[int]:
    step = max(1.0, window * (1 - overlap))
    n = int(np.ceil((length - window) / step)) + 1
    return [round(float(start)) for start in np.linspace(0, length - window, n)]
