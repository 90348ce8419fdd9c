"""Whole fields of a smear: several white cells among many red ones, with boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.demo.canvas import SCALE_128, View
from cytosae_toolkit.demo.cell_classes import CELL_CLASSES, sample_white_cell
from cytosae_toolkit.demo.cells import Scene, paint
from cytosae_toolkit.demo.laboratories import LABORATORIES, Laboratory, find_laboratory, jitter
from cytosae_toolkit.demo.masks import Bools
from cytosae_toolkit.demo.photograph import expose
from cytosae_toolkit.demo.red_cells import scatter_platelets, scatter_red_cells
from cytosae_toolkit.demo.white_cells import WhiteCell

_ROOM = 9.5


@dataclass(frozen=True)
class Box:
    """A white cell's bounding box in pixels, half-open (`x0 <= x < x1`), and its class."""

    x0: int
    y0: int
    x1: int
    y1: int
    label: str


@dataclass(frozen=True)
class GeneratedField:
    """A generated field of view.

    Attributes
    ----------
    image : uint8 array [H, W, 3]
        RGB.
    masks : dict of str to bool array [H, W]
        See `cytosae_toolkit.demo.masks.MASKS` for which overlap.
    boxes : tuple of Box
        The white cells.
    laboratory : str
        Name of the laboratory.
    """

    image: NDArray[np.uint8]
    masks: dict[str, Bools]
    boxes: tuple[Box, ...]
    laboratory: str


def generate_field(
    rng: np.random.Generator,
    *,
    width: int = 640,
    height: int = 480,
    n_white_cells: int = 6,
    mixture: Mapping[str, float] | None = None,
    laboratory: str | None = None,
    scale: float = SCALE_128,
) -> GeneratedField:
    """Generate one field of a smear.

    Parameters
    ----------
    rng : numpy Generator
        Source of everything random.
    width, height : int
        Size in pixels.
    n_white_cells : int
        How many white cells are wanted; fewer where there is no room.
    mixture : mapping of str to float, optional
        Share of each cell class; all alike where it is left out.
    laboratory : str, optional
        Name of the laboratory; drawn at random where it is left out.
    scale : float
        Pixels per µm.

    Returns
    -------
    GeneratedField

    Raises
    ------
    CytosaeError
        If there is no such class or laboratory.
    """
    view = View(width, height, scale)
    scene = sample_field_scene(rng, (width / scale / 2, height / scale / 2), n_white_cells, mixture)
    canvas = paint(scene, view)
    lab = jitter(_pick_laboratory(rng, laboratory), rng)
    boxes = tuple(_box(cell, view) for cell in scene.white_cells)
    return GeneratedField(expose(canvas, lab, rng), canvas.masks, boxes, lab.name)


def sample_field_scene(
    rng: np.random.Generator,
    extent: tuple[float, float],
    n_white_cells: int,
    mixture: Mapping[str, float] | None = None,
) -> Scene:
    """Draw a scene that fills a rectangle around the origin; `extent` is its half width and height in µm."""
    classes = CELL_CLASSES if mixture is None else tuple(mixture)
    shares = np.ones(len(classes)) if mixture is None else np.array(list(mixture.values()), dtype=float)
    labels = rng.choice(classes, n_white_cells, p=shares / shares.sum())
    places = _apart(rng, extent, n_white_cells)
    white = [sample_white_cell(str(c), rng, float(x), float(y)) for c, (x, y) in zip(labels, places, strict=False)]
    obstacles = np.array([[c.x, c.y, c.radius - 0.6] for c in white]).reshape(-1, 3)
    red = scatter_red_cells(rng, extent, obstacles, density=float(rng.uniform(0.5, 0.9)))
    return Scene(red, scatter_platelets(rng, extent, obstacles, per_area=1.0), white)


def _apart(rng: np.random.Generator, extent: tuple[float, float], n: int) -> list[NDArray[np.float64]]:
    """Return up to n places (x, y in µm) that keep white cells apart and whole in the picture."""
    inner = np.maximum(np.array(extent) - _ROOM, 0)
    places: list[NDArray[np.float64]] = []
    for place in rng.uniform(-1, 1, (60 * max(n, 1), 2)) * inner:
        if len(places) == n:
            break
        if all(np.hypot(*(place - other)) > 2 * _ROOM for other in places):
            places.append(place)
    return places


def _pick_laboratory(rng: np.random.Generator, name: str | None) -> Laboratory:
    return find_laboratory(list(LABORATORIES)[rng.integers(len(LABORATORIES))] if name is None else name)


def _box(cell: WhiteCell, view: View) -> Box:
    """Measure the box of a cell's outline, cut at the edge of the picture."""
    line = np.arange(-cell.radius, cell.radius, 0.5 / view.scale, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    inside = cell.body(x, y) < 0
    column, row = view.to_pixels(cell.x, cell.y)
    xs, ys = column + x[inside] * view.scale, row + y[inside] * view.scale
    return Box(
        max(0, int(np.floor(xs.min()))),
        max(0, int(np.floor(ys.min()))),
        min(view.width, int(np.ceil(xs.max()))),
        min(view.height, int(np.ceil(ys.max()))),
        cell.label,
    )
