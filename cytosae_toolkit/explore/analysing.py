"""Reading a picture: as one cell, by the cells found in it, by boxes, or by windows that slide over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.explore.fields import cell_boxes, load_boxes, red_cells
from cytosae_toolkit.explore.scene import KINDS, Kind, Part, Scene
from cytosae_toolkit.explore.windows import FieldPixels
from cytosae_toolkit.images.decode import UnreadableImage
from cytosae_toolkit.images.windows import window_grid
from cytosae_toolkit.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.images.decode import Box
    from cytosae_toolkit.images.red_cell_size import RedCellSize
    from cytosae_toolkit.images.windows import Field

MOST_PARTS = 1024
"""Parts of a picture at most: up to a megabyte each, with 49,152 latents of which 64 are active on a token."""


class MemoryField:
    """A picture in memory, read as a field.

    Parameters
    ----------
    pixels : uint8 array [H, W, 3]
        RGB.
    pixel_size : float, optional
        Micrometres per pixel, where known.
    """

    def __init__(self, pixels: NDArray[np.uint8], pixel_size: float | None = None) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise CytosaeError(f"A picture is RGB, uint8 [H, W, 3], not {pixels.dtype} {list(pixels.shape)}.")
        self.pixels, self.pixel_size = pixels, pixel_size

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, 3."""
        return self.pixels.shape

    def read_window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
        """Return the pixels of a box."""
        return np.ascontiguousarray(self.pixels[y0:y1, x0:x1])


def analyse(
    explorer: Explorer,
    field: FieldPixels,
    kind: Kind = "cells",
    *,
    boxes: Sequence[Box] = (),
    window: int | None = None,
    red_cell_diameter: float | None = None,
    pixel_size: float | None = None,
    name: str = "the picture",
    progress: Progress = SILENT,
) -> Scene:
    """Read a picture: as one cell, by the cells found in it, by boxes, or by windows that slide over it.

    Parameters
    ----------
    explorer : Explorer
        With an atlas or a run.
    field : FieldPixels
        The picture: `MemoryField`, or a file as `cytosae_toolkit.images.windows.open_field` reads it.
    kind : str
        One of `KINDS`.
    boxes : sequence of (x0, y0, x1, y1)
        For ``"boxes"``; clipped to the picture, empty ones left out.
    window : int, optional
        Side of the windows in pixels; by default as `usual_side` says.
    red_cell_diameter : float, optional
        Scale: a red cell (7.5 µm) in pixels.
    pixel_size : float, optional
        Scale: micrometres per pixel. Without either, what the file tells, or else estimated.
    name : str
        For messages.
    progress : Progress
        Told of every piece in which cells are looked for, of the steps of the search in it, and of every part; may end
        the work by raising.

    Returns
    -------
    Scene

    Raises
    ------
    CytosaeError
        If no cell is found, no box lies in the picture, or there are too many parts.
    """
    if kind not in KINDS:
        raise CytosaeError(f"A picture cannot be read as “{kind}”.", nearest(kind, KINDS))
    height, width = int(field.shape[0]), int(field.shape[1])
    scale = None
    places: list[Box]
    if kind == "cell":
        places = [(0, 0, width, height)]
    elif kind == "boxes":
        places = clip_boxes(boxes, (height, width))
    elif kind == "windows":
        side = min(window or usual_side(explorer, field), height, width)
        _refuse_many(len(window_grid((height, side), side)) * len(window_grid((side, width), side)))
        places = window_grid((height, width), side)
    else:
        with progress.task(f"Looking for cells in {name}", 0, "pieces") as task:
            watched = cast("Field", _Watched(field, task))
            scale = red_cells(watched, red_cell_diameter, pixel_size)
            places = _found_boxes(explorer, watched, scale, lambda: task.advance(0))
    _refuse_many(len(places))
    parts = []
    with progress.task(f"Reading {name}", len(places), "parts") as task:
        for place, image in zip(places, load_boxes(explorer, field, places), strict=True):
            parts.append(Part(replace(image, tokens=image.tokens[:0].copy()), place))  # a view would keep all of them
            task.advance(1)
    scene = Scene(explorer, kind, (height, width), parts, scale)
    scene.latents(0)  # what the first look at any latent needs is made here, away from the screen
    return scene


def _refuse_many(n_parts: int) -> None:
    if n_parts > MOST_PARTS:
        raise CytosaeError(
            f"The picture would be read in {n_parts:,} parts; {MOST_PARTS:,} are the most.",
            "Draw boxes where you want to look, or take larger windows.",
        )


class _Watched:
    """A field that tells a task of every piece that is read, so that looking for cells can be stopped between two."""

    def __init__(self, field: FieldPixels, task: Task) -> None:
        self.shape, self.pixel_size = field.shape, getattr(field, "pixel_size", None)
        self._field, self._task = field, task

    def read_window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
        pixels = self._field.read_window(x0, y0, x1, y1)
        self._task.advance(1)
        return pixels


def _found_boxes(explorer: Explorer, field: Field, scale: RedCellSize, on_step: Callable[[], object]) -> list[Box]:
    try:
        return cell_boxes(explorer, field, scale, on_step)
    except UnreadableImage:
        raise
    except CytosaeError as error:
        hint = "Give its scale by a line across a red cell, draw boxes about cells, or read it as one cell."
        raise CytosaeError(error.message, hint) from error


def clip_boxes(boxes: Sequence[Box], shape: tuple[int, int]) -> list[Box]:
    """Return boxes clipped to a picture, without those that hold less than four pixels a side.

    Raises
    ------
    CytosaeError
        If none is left.
    """
    height, width = shape
    clipped = [(max(0, x0), max(0, y0), min(width, x1), min(height, y1)) for x0, y0, x1, y1 in boxes]
    kept = [box for box in clipped if box[2] - box[0] >= 4 and box[3] - box[1] >= 4]
    if not kept:
        raise CytosaeError("There is no box in the picture.", "Draw rectangles about cells.")
    return kept


def usual_side(explorer: Explorer, field: FieldPixels) -> int:
    """Return the side of windows in pixels: the longer side of the largest training image, 224 where it is not known.

    The scale of the picture does not count. At least 32, and no more than the picture has.
    """
    usual = explorer.image_fit
    side = usual.side[1] if usual is not None and usual.side else 224
    return max(32, min(round(side), *field.shape[:2]))
