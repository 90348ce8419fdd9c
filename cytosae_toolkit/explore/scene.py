"""A picture as it was read: one cell, cells or boxes of a field, or windows over it; each part keeps its latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.atlas.localisation import patch_coverage
from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.fields import BoxSummary, cell_boxes, load_boxes, red_cells
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.explore.regions import rank_region
from cytosae_toolkit.explore.windows import Blend, FieldPixels
from cytosae_toolkit.images.decode import UnreadableImage
from cytosae_toolkit.images.windows import window_grid
from cytosae_toolkit.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.images.decode import Box
    from cytosae_toolkit.images.red_cell_size import RedCellSize
    from cytosae_toolkit.images.windows import Field

Kind = Literal["cell", "cells", "boxes", "windows"]
KINDS: tuple[Kind, ...] = ("cell", "cells", "boxes", "windows")
LARGEST_MAP = 2048
"""Longer side of a heat map over a field, in cells of the map."""
MOST_PARTS = 1024
"""Parts of a picture at most: about a megabyte each."""


@dataclass(frozen=True)
class Spot:
    """A patch of a picture.

    Parameters
    ----------
    part : int
        Which part of the scene.
    row, column : int
        Of the part's patch grid.
    """

    part: int
    row: int
    column: int


@dataclass(frozen=True, eq=False)
class Heat:
    """A heat map over a picture.

    Parameters
    ----------
    values : float32 array [rows, columns]
        Activation; 0 where the latent is silent or nothing was looked at.
    origin : (float, float)
        ``y, x`` of its upper left corner in the picture's pixels; (0, 0) is the corner of the upper left pixel.
    cell : (float, float)
        Height and width of one of its cells in the picture's pixels.
    """

    values: NDArray[np.float32]
    origin: tuple[float, float]
    cell: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a picture that was read as an image of its own.

    Parameters
    ----------
    image : LoadedImage
        With its latents; its tokens are not kept.
    box : (int, int, int, int)
        ``x0, y0, x1, y1`` in the picture's pixels, half-open.
    """

    image: LoadedImage
    box: Box

    def patch_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return the patch, (row, column), that holds a point of the picture; None where there is none."""
        return self.image.patch_at(x - self.box[0], y - self.box[1])

    def patch_box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return a patch's ``x0, y0, x1, y1`` in the picture's pixels, half-open."""
        x0, y0, x1, y1 = self.image.patch_box(row, column)
        return x0 + self.box[0], y0 + self.box[1], x1 + self.box[0], y1 + self.box[1]

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """All patches in the picture's pixels, float64 [n_patches, 4], row-major."""
        return self.image.boxes + np.tile(np.asarray(self.box[:2], dtype=np.float64), 2)

    @cached_property
    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where rows and columns of patches begin, and the last ends, float64 [rows + 1] and [columns + 1]."""
        n_columns = self.image.grid[1]
        return (
            np.append(self.boxes[::n_columns, 1], self.boxes[-1, 3]),
            np.append(self.boxes[:n_columns, 0], self.boxes[-1, 2]),
        )


class Scene:
    """An analysed picture; it never changes, so threads may share it.

    Parameters
    ----------
    explorer : Explorer
        That read it.
    kind : str
        ``"cell"``: the whole picture; ``"cells"``: white cells that were found; ``"boxes"``: boxes that were given;
        ``"windows"``: windows that slide over it, approximate.
    shape : (int, int)
        Height and width of the picture.
    parts : sequence of Part
        In the order in which they were found.
    scale : RedCellSize, optional
        By which cells were found.
    """

    def __init__(
        self,
        explorer: Explorer,
        kind: Kind,
        shape: tuple[int, int],
        parts: Sequence[Part],
        scale: RedCellSize | None = None,
    ) -> None:
        self.explorer, self.kind, self.shape, self.parts, self.scale = explorer, kind, shape, tuple(parts), scale

    @property
    def approximate(self) -> bool:
        """Whether its parts were cut otherwise than the training images."""
        return self.kind == "windows"

    @property
    def unlike(self) -> float | None:
        """Share of the parts that are unlike the training images; None if the run did not record those."""
        known = [part.image.unlike for part in self.parts if part.image.unlike is not None]
        return float(np.mean(known)) if known else None

    def locate(self, x: float, y: float) -> Spot | None:
        """Return the patch under a point of the picture; where parts overlap, of the one whose middle is nearest.

        Parameters
        ----------
        x, y : float
            In the picture's pixels; (0, 0) is the upper left corner of the upper left pixel.
        """
        for i in self._nearest(x, y):
            found = self.parts[i].patch_at(x, y)
            if found is not None:
                return Spot(i, *found)
        return None

    def _nearest(self, x: float, y: float) -> list[int]:
        """Return the parts that hold a point, the one whose middle is nearest, in its own sides, first."""
        x0, y0, x1, y1 = self._boxes.T
        distance = np.maximum(np.abs(2 * x - x0 - x1) / (x1 - x0), np.abs(2 * y - y0 - y1) / (y1 - y0))
        order = np.argsort(distance, kind="stable")
        return [int(i) for i in order[distance[order] <= 1]]

    @cached_property
    def _boxes(self) -> NDArray[np.float64]:
        return np.array([part.box for part in self.parts], dtype=np.float64).reshape(-1, 4)

    def patch_box(self, spot: Spot) -> tuple[float, float, float, float]:
        """Return a patch's ``x0, y0, x1, y1`` in the picture's pixels."""
        return self.parts[spot.part].patch_box(spot.row, spot.column)

    def top_latents(self, spot: Spot, n: int | None = 10, *, hide_everywhere: bool = True) -> pd.DataFrame:
        """Return the most active latents of a patch; index `latent`, column `activation`."""
        image = self.parts[spot.part].image
        return self.explorer.top_latents((spot.row, spot.column), n, hide_everywhere=hide_everywhere, image=image)

    def latents(self, n: int | None = None, *, hide_everywhere: bool = True) -> pd.DataFrame:
        """Return the latents of the picture over all its parts; columns as `BoxSummary.table`."""
        return self._summary.table(top=n, everywhere=not hide_everywhere)

    @cached_property
    def _summary(self) -> BoxSummary:
        summary = BoxSummary(self.explorer)
        for part in self.parts:
            summary.add(part.image)
        return summary

    def heat(self, latent: int) -> Heat:
        """Return the heat map of a latent over the picture.

        A single regular grid of patches stays as it is. Parts of a field are painted into one map of the field, the
        larger activation where cells overlap; windows are blended as `cytosae_toolkit.explore.windows.slide` does.
        """
        if len(self.parts) == 1 and (grid := regular_grid(self.parts[0].boxes, self.parts[0].image.grid)):
            origin, cell = grid
            return Heat(self.parts[0].image.heatmap(latent), origin, cell)
        return self._blended(latent) if self.kind == "windows" else self._painted(latent)

    def _blended(self, latent: int) -> Heat:
        blend = Blend(1, self.shape, self.parts[0].image.boxes)
        for part in self.parts:
            blend.add(part.image.heatmap(latent)[None], part.boxes)
        values = np.nan_to_num(blend.result()[0])
        return Heat(values, (0.0, 0.0), (self.shape[0] / values.shape[0], self.shape[1] / values.shape[1]))

    def _painted(self, latent: int) -> Heat:
        values, cell = self._empty_map()
        for part, places in zip(self.parts, self._places, strict=True):
            heat = part.image.heatmap(latent)
            if heat.any():
                (top, rows), (left, columns) = places
                painted = np.maximum.reduceat(np.maximum.reduceat(heat, rows, axis=0), columns, axis=1)
                place = values[top : top + len(rows), left : left + len(columns)]
                np.maximum(place, painted, out=place)
        return Heat(values, (0.0, 0.0), cell)

    def _empty_map(self) -> tuple[NDArray[np.float32], tuple[float, float]]:
        step = max(1.0, max(self.shape) / LARGEST_MAP)
        rows, columns = (max(1, round(side / step)) for side in self.shape)
        return np.zeros((rows, columns), dtype=np.float32), (self.shape[0] / rows, self.shape[1] / columns)

    @cached_property
    def _places(self) -> list[list[tuple[int, NDArray[np.int64]]]]:
        """Where each part is painted: for rows and for columns, as `cells_of_edges` returns it."""
        values, cell = self._empty_map()
        return [
            [cells_of_edges(edges / size, n) for edges, size, n in zip(part.edges, cell, values.shape, strict=True)]
            for part in self.parts
        ]

    def rank_region(
        self,
        mask: NDArray[np.bool_],
        other: NDArray[np.bool_] | None = None,
        *,
        n: int | None = 20,
        hide_everywhere: bool = True,
    ) -> pd.DataFrame:
        """Rank latents by contrast of a region against the rest of the parts it touches, or against another region.

        Parameters
        ----------
        mask, other : bool array [H, W]
            In the picture's pixels.
        n : int, optional
            How many at most.
        hide_everywhere : bool
            Leave out latents that fire everywhere.

        Returns
        -------
        DataFrame
            Columns as `cytosae_toolkit.explore.regions.rank_region`; of one cell equal to `Explorer.rank_region`.

        Raises
        ------
        CytosaeError
            If a region has another shape or touches no part, or nothing is left to compare with.
        """
        inside = self._coverage(mask)
        compared = None if other is None else self._coverage(other)
        touched = [i for i, own in enumerate(inside) if own.any() or (compared is not None and compared[i].any())]
        patches = sparse.vstack([self.parts[i].image.codes.patches for i in touched], format="csr")
        codes = ImageCodes(sparse.csr_array(patches), 0, (int(patches.shape[0]), 1))
        table = rank_region(codes, _joined(inside, touched), None if compared is None else _joined(compared, touched))
        return (table[~self._everywhere[table.index]] if hide_everywhere else table).iloc[:n]

    def _coverage(self, mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        """Return the share of each patch that a region covers, part by part."""
        if mask.shape != self.shape:
            raise CytosaeError(
                f"The region has the shape {list(mask.shape)}, but the picture has {list(self.shape)} pixels."
            )
        crops = [mask[y0:y1, x0:x1] != 0 for x0, y0, x1, y1 in (part.box for part in self.parts)]
        weights = [
            patch_coverage(crop, part.image.boxes) if crop.any() else np.zeros(len(part.image.boxes))
            for crop, part in zip(crops, self.parts, strict=True)
        ]
        if not any(own.any() for own in weights):
            raise CytosaeError("The region lies where nothing was read.", "Draw it over a cell that was found.")
        return weights

    @cached_property
    def _everywhere(self) -> NDArray[np.bool_]:
        """Which latents fire everywhere: in the atlas, or without one on most patches of all parts, bool [d_sae]."""
        if self.explorer.atlas is not None:
            return self.explorer.fires_everywhere(self.parts[0].image)
        share = np.mean([part.image.codes.patch_share() for part in self.parts], axis=0)
        return np.asarray(share > self.explorer.everywhere)


def _joined(weights: Sequence[NDArray[np.float64]], parts: Sequence[int]) -> NDArray[np.float64]:
    return np.concatenate([weights[i] for i in parts])


def cells_of_edges(edges: NDArray[np.float64], n: int) -> tuple[int, NDArray[np.int64]]:
    """Return which cells of an axis show a row of patches, and which patch each begins with.

    A cell shows the patch under its centre; where patches are smaller than cells, all from there up to the next
    cell's, so that none is lost (as `np.maximum.reduceat` reads the patches).

    Parameters
    ----------
    edges : float64 array [n_patches + 1]
        Where patches begin and the last one ends, in cells of the axis, whose first cell is from 0 to 1.
    n : int
        Cells of the axis.

    Returns
    -------
    first : int
        The first cell.
    patches : int64 array [n_cells]
        Not decreasing, from 0.
    """
    first, stop = (int(np.ceil(edge - 0.5)) for edge in (edges[0], edges[-1]))
    first = min(max(first, 0), n - 1)
    stop = min(max(stop, first + 1), n)
    patches = np.searchsorted(edges[1:-1], np.arange(first, stop) + 0.5, side="right").astype(np.int64)
    patches[0] = 0
    return first, patches


def regular_grid(
    boxes: NDArray[np.float64], grid: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return origin and cell (both ``y, x``) of patches that form a regular grid, None if they do not.

    Parameters
    ----------
    boxes : float64 array [rows * columns, 4]
        ``x0, y0, x1, y1``, row-major.
    grid : (int, int)
        Rows and columns.
    """
    rows, columns = grid
    x0, y0, x1, y1 = boxes[0, 0], boxes[0, 1], boxes[-1, 2], boxes[-1, 3]
    cell = (y1 - y0) / rows, (x1 - x0) / columns
    y, x = np.divmod(np.arange(rows * columns), columns)
    corners = np.stack([x0 + x * cell[1], y0 + y * cell[0], x0 + (x + 1) * cell[1], y0 + (y + 1) * cell[0]], axis=1)
    if not np.allclose(corners, boxes, atol=0.5):
        return None
    return (float(y0), float(x0)), (float(cell[0]), float(cell[1]))


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
        Side of the windows in pixels; by default that of crops about cells of this scale.
    red_cell_diameter : float, optional
        Scale: a red cell (7.5 µm) in pixels.
    pixel_size : float, optional
        Scale: micrometres per pixel. Without either, what the file tells, or else estimated.
    name : str
        For messages.
    progress : Progress
        Told of every piece in which cells are looked for and of every part; may end the work by raising.

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
            places = _found_boxes(explorer, watched, scale)
    _refuse_many(len(places))
    parts = []
    with progress.task(f"Reading {name}", len(places), "parts") as task:
        for place, image in zip(places, load_boxes(explorer, field, places), strict=True):
            parts.append(Part(replace(image, tokens=image.tokens[:0]), place))
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


def _found_boxes(explorer: Explorer, field: Field, scale: RedCellSize) -> list[Box]:
    try:
        return cell_boxes(explorer, field, scale)
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
    """Return the side of windows that show about as much as the training images, where the run knows their size."""
    usual = explorer.image_fit
    side = usual.side[1] if usual is not None and usual.side else 224
    return max(32, min(round(side), *field.shape[:2]))
