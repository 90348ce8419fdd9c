"""Boxes of a TIFF page from the tiles or strips that they meet, so that memory does not grow with the page."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

_CACHE_BYTES = 64 * 2**20

Samples = npt.NDArray[Any]


class TiffSegments:
    """Reads boxes of samples; recently decoded tiles are kept, at most 64 MiB, because windows overlap.

    Parameters
    ----------
    file : tifffile.FileHandle
        Open.
    page : tifffile.TiffPage
        A picture, not a volume.
    """

    def __init__(self, file: Any, page: Any) -> None:
        self._file, self._page = file, page
        self._planes, depth, self._height, self._width, self._interleaved = page.shaped
        if depth != 1:
            raise ValueError(f"it is a volume of {depth} planes instead of a picture")
        if page.is_tiled:
            self._rows, self._columns = int(page.tilelength), int(page.tilewidth)
        else:
            self._rows, self._columns = min(int(page.rowsperstrip), self._height), self._width
        self._across = -(-self._width // self._columns)
        self._per_plane = self._across * -(-self._height // self._rows)
        if min(len(page.dataoffsets), len(page.databytecounts)) < self._planes * self._per_plane:
            raise ValueError("its header lists fewer tiles or strips than its size needs")
        self._decoded: OrderedDict[int, Samples] = OrderedDict()

    def read(self, x0: int, y0: int, x1: int, y1: int) -> Samples:
        """Return the samples of a box, shape [y1 - y0, x1 - x0, samples]."""
        result = np.zeros((y1 - y0, x1 - x0, self._planes * self._interleaved), dtype=self._page.dtype)
        for row in range(y0 // self._rows, -(-y1 // self._rows)):
            for column in range(x0 // self._columns, -(-x1 // self._columns)):
                for plane in range(self._planes):
                    segment = self._segment(plane * self._per_plane + row * self._across + column)
                    channels = slice(plane * self._interleaved, (plane + 1) * self._interleaved)
                    _paste(result[:, :, channels], segment, column * self._columns - x0, row * self._rows - y0)
        return result

    def _segment(self, index: int) -> Samples:
        """Return a decoded tile or strip, shape [rows, columns, interleaved samples]."""
        if index in self._decoded:
            self._decoded.move_to_end(index)
            return self._decoded[index]
        page = self._page
        self._file.seek(page.dataoffsets[index])
        data = self._file.read(page.databytecounts[index]) or None  # absent tiles have no bytes
        found, _, shape = page.decode(data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        segment = np.zeros(shape[1:], page.dtype) if found is None else found[0, : shape[1], : shape[2]]
        self._decoded[index] = segment
        while len(self._decoded) > 1 and sum(kept.nbytes for kept in self._decoded.values()) > _CACHE_BYTES:
            self._decoded.popitem(last=False)
        return segment


def _paste(target: Samples, source: Samples, x: int, y: int) -> None:
    """Copy the part of `source`, whose upper left corner is (x, y) in `target`, that lies inside `target`."""
    height, width = target.shape[:2]
    top, left = max(0, y), max(0, x)
    bottom, right = min(height, y + source.shape[0]), min(width, x + source.shape[1])
    if top < bottom and left < right:
        target[top:bottom, left:right] = source[top - y : bottom - y, left - x : right - x]
