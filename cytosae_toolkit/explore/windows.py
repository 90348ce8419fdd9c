"""Heat maps over large fields, from sliding windows.

A window is resized to the backbone's input as an image of its own, so a heat map over a field is approximate: windows
are unlike the training crops wherever they cut cells or show other scales. Where windows overlap, their heat maps are
blended with weights that fall from a window's centre to its edges, along both axes as a triangle.

Fields may be larger than memory: pixels are read in pieces, and pictures of large fields are made smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray

from cytosae_toolkit.atlas.latents import finite_codes
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.image import check_latent
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer

Window = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in the field's pixels, half-open."""

LEAST_WEIGHT = 1e-3
"""Weight at the edge of a window: where there is no other, it alone counts."""
PICTURE_SIDE = 2000
"""Longer side of the picture of a field under a heat map, pixels."""
PICTURE_CELLS = 500
"""Cells along a side of a heat map in a picture, at most."""

_AT_ONCE, _PIXELS_AT_ONCE = 64, 2**25  # boxes read together: a batch on a GPU, but no more than 100 MB of pixels
_BAND_PIXELS = 2**24  # of a field, for a band of its picture


class FieldPixels(Protocol):
    """A field of any size, read in pieces."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width, and perhaps channels."""

    def read_window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
        """Return the pixels of a box, uint8 [y1 - y0, x1 - x0, 3]."""


@dataclass(frozen=True, eq=False)
class FieldMap:
    """Heat maps of some latents over a field, approximate.

    Parameters
    ----------
    latents : tuple of int
        Which.
    maps : float32 array [n_latents, rows, columns]
        Activation; the cells tile the field. NaN where no window reaches.
    shape : (int, int)
        Height and width of the field, pixels.
    n_windows : int
        From how many windows.
    """

    latents: tuple[int, ...]
    maps: NDArray[np.float32]
    shape: tuple[int, int]
    n_windows: int

    @property
    def cell(self) -> tuple[float, float]:
        """Height and width of a cell of the maps, in pixels of the field."""
        return self.shape[0] / self.maps.shape[1], self.shape[1] / self.maps.shape[2]

    def for_picture(self, place: int, shape: tuple[int, ...]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return a map to lay over a picture of the field.

        Parameters
        ----------
        place : int
            Which of `latents`.
        shape : (int, int, ...)
            Height and width of the picture.

        Returns
        -------
        heat : float32 array [rows, columns]
            At most `PICTURE_CELLS` a side and none smaller than a pixel: the largest activation of the cells that
            become one, so that small spots stay visible. 0 where no window reaches.
        boxes : float64 array [rows * columns, 4]
            ``x0, y0, x1, y1`` of each cell in the picture, row-major.
        """
        heat = np.nan_to_num(self.maps[place])
        edges = []
        for axis, side in enumerate(shape[:2]):
            n = heat.shape[axis]
            cuts = np.linspace(0, n, min(n, PICTURE_CELLS, side) + 1).round().astype(int)
            heat = np.maximum.reduceat(heat, cuts[:-1], axis=axis)
            edges.append(cuts * side / n)
        y, x = edges
        top, left = np.meshgrid(y[:-1], x[:-1], indexing="ij")
        bottom, right = np.meshgrid(y[1:], x[1:], indexing="ij")
        return heat, np.stack([left, top, right, bottom], axis=-1).reshape(-1, 4)


def read_boxes(
    field: FieldPixels, boxes: Sequence[Window]
) -> Iterator[tuple[Sequence[Window], list[NDArray[np.uint8]]]]:
    """Yield boxes of a field with their pixels, as many together as fill a batch but not the memory."""
    area = max(((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes), default=1)
    at_once = max(1, min(_AT_ONCE, _PIXELS_AT_ONCE // area))
    for start in range(0, len(boxes), at_once):
        part = boxes[start : start + at_once]
        yield part, [field.read_window(*box) for box in part]


def field_picture(field: FieldPixels) -> NDArray[np.uint8]:
    """Return a field with at most `PICTURE_SIDE` pixels a side, uint8 [h, w, 3], read in bands of about 50 MB."""
    from PIL import Image

    from cytosae_toolkit.images.decode import max_pixels

    height, width = field.shape[:2]
    shrink = max(1.0, max(height, width) / PICTURE_SIDE)
    n_rows, n_columns = max(1, round(height / shrink)), max(1, round(width / shrink))
    deep = max(1, min(256, int(min(_BAND_PIXELS, max_pixels()) / (width * shrink))))
    picture = np.empty((n_rows, n_columns, 3), dtype=np.uint8)
    for start in range(0, n_rows, deep):
        stop = min(start + deep, n_rows)
        top, bottom = start * height // n_rows, stop * height // n_rows
        band = Image.fromarray(np.ascontiguousarray(field.read_window(0, top, width, bottom)))
        picture[start:stop] = np.asarray(band.resize((n_columns, stop - start), Image.Resampling.BILINEAR))
    return picture


def slide(
    explorer: Explorer,
    field: FieldPixels,
    windows: Sequence[Window],
    latents: Sequence[int],
    *,
    progress: Progress = SILENT,
) -> FieldMap:
    """Return the heat maps of latents over a field; memory holds a batch of windows and the maps.

    Windows are encoded as `Explorer.read` encodes images, so all values equal those of the viewer.

    Parameters
    ----------
    explorer : Explorer
        With the run.
    field : FieldPixels
        Read window by window.
    windows : sequence of (x0, y0, x1, y1)
        Boxes of pixels, all of one size, that cover the field.
    latents : sequence of int
        Which; their number hardly matters.
    progress : Progress
        Where to report.

    Raises
    ------
    CytosaeError
        If there is no window, or no such latent.
    """
    wanted = [check_latent(latent, explorer.d_sae) for latent in latents]
    if not windows or not wanted:
        raise CytosaeError("There is nothing to slide over the field.", "Give a window that fits, and a latent.")
    height, width = field.shape[:2]
    blend = Blend(len(wanted), (height, width), explorer.backbone.patch_boxes(_shape(windows[0])))
    prefix, grid = explorer.backbone.prefix_tokens, cast("tuple[int, int]", tuple(explorer.backbone.grid))
    with progress.task("Sliding over the field", len(windows), "windows") as task, torch.no_grad():
        for window, tokens in _tokens(explorer, field, windows):
            x = torch.from_numpy(tokens.astype(np.float32)).to(explorer.device)
            codes = ImageCodes.of(finite_codes(explorer.sae, x, f"window {window}"), prefix, grid)
            boxes = explorer.backbone.patch_boxes(_shape(window)) + np.tile(window[:2], 2)
            blend.add(np.stack([codes.heatmap(latent) for latent in wanted]), boxes)
            task.advance(1)
    return FieldMap(tuple(wanted), blend.result(), (height, width), len(windows))


def _shape(window: Window) -> tuple[int, int]:
    return window[3] - window[1], window[2] - window[0]


def _tokens(explorer: Explorer, field: FieldPixels, windows: Sequence[Window]) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield windows with their tokens, [n_tokens, d_model], reading a few at a time."""
    for part, pixels in read_boxes(field, windows):
        yield from zip(part, explorer.tokens(pixels, [f"window {window}" for window in part]), strict=True)


class Blend:
    """Adds heat maps of windows to maps of the field whose cells are about as large as a window's patches.

    Parameters
    ----------
    n : int
        Number of maps.
    shape : (int, int)
        Height and width of the field.
    boxes : float64 array [n_patches, 4]
        Patches of a window.
    """

    def __init__(self, n: int, shape: tuple[int, int], boxes: NDArray[np.float64]) -> None:
        patch = boxes[0, 3] - boxes[0, 1], boxes[0, 2] - boxes[0, 0]
        rows, columns = (max(1, round(side / size)) for side, size in zip(shape, patch, strict=True))
        self._centres = [(np.arange(k) + 0.5) * side / k for k, side in zip((rows, columns), shape, strict=True)]
        self._sum = np.zeros((n, rows, columns), dtype=np.float32)  # large fields have millions of cells
        self._weight = np.zeros((rows, columns), dtype=np.float32)

    def add(self, heat: NDArray[np.float32], boxes: NDArray[np.float64]) -> None:
        """Add the heat maps of a window, float32 [n, rows, columns]; `boxes` are its patches in the field's pixels."""
        n_columns = heat.shape[2]
        y, rows, down = _axis(self._centres[0], boxes[::n_columns, 1], boxes[::n_columns, 3])
        x, columns, right = _axis(self._centres[1], boxes[:n_columns, 0], boxes[:n_columns, 2])
        weight = np.outer(down, right)
        self._sum[:, y, x] += weight * (rows @ heat @ columns.T)
        self._weight[y, x] += weight

    def result(self) -> NDArray[np.float32]:
        """Return the blended maps, float32 [n, rows, columns], NaN where no window reached."""
        with np.errstate(invalid="ignore"):
            blended: NDArray[np.float32] = np.divide(self._sum, self._weight, dtype=np.float32)
        return blended


def _axis(
    centres: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[slice, NDArray[np.float64], NDArray[np.float64]]:
    """Return which cells lie in a window along an axis, how to interpolate patches there, and the cells' weights."""
    first, last = np.searchsorted(centres, (low[0], high[-1])).tolist()
    inside, patches = centres[first:last], (low + high) / 2
    if len(patches) == 1:
        matrix = np.ones((len(inside), 1))
    else:
        place = np.clip((inside - patches[0]) / (patches[1] - patches[0]), 0, len(patches) - 1)
        matrix = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(len(patches))))
    depth = 1 - np.abs(2 * (inside - low[0]) / (high[-1] - low[0]) - 1)
    return slice(first, last), matrix, np.maximum(depth, LEAST_WEIGHT)
