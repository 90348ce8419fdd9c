"""Heat maps over large fields, from sliding windows.

A window is resized to the backbone's input as an image of its own, so a heat map over a field is approximate: windows
are unlike the training crops wherever they cut cells or show other scales. Where windows overlap, their heat maps are
blended with weights that fall from a window's centre to its edges, along both axes as a triangle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.image import check_latent
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer

Window = tuple[int, int, int, int]
"""``x0, y0, x1, y1`` in the field's pixels, half-open."""

LEAST_WEIGHT = 1e-3
"""Weight at the edge of a window: where there is no other, it alone counts."""


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


def slide(
    explorer: Explorer,
    field: FieldPixels,
    windows: Sequence[Window],
    latents: Sequence[int],
    *,
    progress: Progress = SILENT,
) -> FieldMap:
    """Return the heat maps of latents over a field; memory holds a batch of windows and the maps.

    Parameters
    ----------
    explorer : Explorer
        With the run.
    field : FieldPixels
        Read window by window.
    windows : sequence of (x0, y0, x1, y1)
        Boxes of pixels, all of one size, that cover the field.
    latents : sequence of int
        Which; each costs one matrix-vector product a window.
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
    blend = _Blend(len(wanted), (height, width), explorer.backbone.patch_boxes(_shape(windows[0])))
    chosen = torch.tensor(wanted, device=explorer.device)
    with progress.task("Sliding over the field", len(windows), "windows") as task:
        for window, tokens in _tokens(explorer, field, windows):
            x = torch.from_numpy(tokens[explorer.backbone.prefix_tokens :].astype(np.float32)).to(explorer.device)
            with torch.no_grad():
                h = explorer.sae.encode_latents(x, chosen).cpu().numpy()
            boxes = explorer.backbone.patch_boxes(_shape(window)) + np.tile(window[:2], 2)
            blend.add(h.T.reshape(len(wanted), *explorer.backbone.grid), boxes)
            task.advance(1)
    return FieldMap(tuple(wanted), blend.result(), (height, width), len(windows))


def _shape(window: Window) -> tuple[int, int]:
    return window[3] - window[1], window[2] - window[0]


def _tokens(
    explorer: Explorer, field: FieldPixels, windows: Sequence[Window], at_once: int = 8
) -> Iterator[tuple[Window, NDArray[Any]]]:
    """Yield windows with their tokens, [n_tokens, d_model], reading a few at a time."""
    for start in range(0, len(windows), at_once):
        part = windows[start : start + at_once]
        pixels = [field.read_window(*window) for window in part]
        yield from zip(part, explorer.tokens(pixels, [f"window {window}" for window in part]), strict=True)


class _Blend:
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
        self._sum = np.zeros((n, rows, columns), dtype=np.float64)
        self._weight = np.zeros((rows, columns), dtype=np.float64)

    def add(self, heat: NDArray[np.float32], boxes: NDArray[np.float64]) -> None:
        """Add the heat maps of a window, float32 [n, rows, columns]; `boxes` are its patches in the field's pixels."""
        n_columns = heat.shape[2]
        y, rows, down = _axis(self._centres[0], boxes[::n_columns, 1], boxes[::n_columns, 3])
        x, columns, right = _axis(self._centres[1], boxes[:n_columns, 0], boxes[:n_columns, 2])
        weight = np.outer(down, right)
        self._sum[:, y, x] += weight * (rows @ heat @ columns.T)
        self._weight[y, x] += weight

    def result(self) -> NDArray[np.float32]:
        """Return the blended maps, float32 [n, rows, columns]."""
        empty = np.full(self._sum.shape, np.nan)
        reached = np.broadcast_to(self._weight > 0, self._sum.shape)
        blended: NDArray[np.float64] = np.divide(self._sum, self._weight, out=empty, where=reached)
        return blended.astype(np.float32)


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
