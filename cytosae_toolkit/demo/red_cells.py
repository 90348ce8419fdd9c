"""Red cells and platelets: what surrounds every white cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.demo.canvas import Canvas
from cytosae_toolkit.demo.noise import random_offset, smooth_noise
from cytosae_toolkit.demo.shapes import Blob, random_blob

RED_CELL_RADIUS = 3.6
"""Mean radius of a red cell in µm."""


@dataclass(frozen=True)
class RedCell:
    """A biconcave red cell.

    Attributes
    ----------
    x, y : float
        Middle in µm.
    outline : Blob
        Outline relative to the middle.
    pallor, pallor_size : float
        Depth (0-1) and relative radius of the pale centre.
    amount : float
        Haemoglobin at the thick rim.
    """

    x: float
    y: float
    outline: Blob
    pallor: float
    pallor_size: float
    amount: float


@dataclass(frozen=True)
class Platelet:
    """A platelet: pale blue-grey with a purple granular middle; `x`, `y` (µm) is its place."""

    x: float
    y: float
    outline: Blob
    offset: tuple[float, float]


def sample_red_cell(rng: np.random.Generator, x: float, y: float) -> RedCell:
    """Draw a red cell at (x, y) in µm."""
    radius = RED_CELL_RADIUS * float(np.clip(rng.normal(1, 0.06), 0.8, 1.2))
    outline = random_blob(rng, 0.0, 0.0, radius, irregularity=0.07, elongation=0.07)
    return RedCell(
        x,
        y,
        outline,
        pallor=float(np.clip(rng.normal(0.68, 0.15), 0.25, 0.9)),
        pallor_size=float(rng.uniform(0.42, 0.58)),
        amount=float(rng.normal(0.85, 0.06)),
    )


def sample_platelet(rng: np.random.Generator, x: float, y: float) -> Platelet:
    """Draw a platelet at (x, y) in µm."""
    outline = random_blob(rng, 0.0, 0.0, float(rng.uniform(0.9, 1.6)), irregularity=0.28, elongation=0.15)
    return Platelet(x, y, outline, random_offset(rng))


def paint_red_cell(canvas: Canvas, cell: RedCell) -> None:
    """Add a red cell; where two overlap their colours add up, as light passes both."""
    window = canvas.window(cell.x, cell.y, cell.outline.radius * 1.35)
    if window is None:
        return
    distance = cell.outline(window.x, window.y)
    cover = canvas.coverage(distance, softness=0.25)
    inward = np.clip(1 + distance / np.float32(cell.outline.radius), 0, 1)
    centre = 1 / (1 + (inward / np.float32(cell.pallor_size)) ** 5)
    thickness = (1 - np.float32(cell.pallor) * centre) * (0.92 + 0.08 * inward)
    canvas.pigments[0, window.rows, window.columns] += np.float32(cell.amount) * thickness * cover
    canvas.masks["red_cells"][window.rows, window.columns] |= distance < 0


def paint_platelet(canvas: Canvas, platelet: Platelet) -> None:
    """Lay a platelet over what is there."""
    window = canvas.window(platelet.x, platelet.y, platelet.outline.radius * 1.6)
    if window is None:
        return
    distance = platelet.outline(window.x, window.y)
    cover = canvas.coverage(distance, softness=0.3)
    grain = smooth_noise(window.x, window.y, 0.5, platelet.offset)
    middle = np.clip(-distance / np.float32(0.7), 0, 1)
    area = canvas.pigments[:, window.rows, window.columns]
    area[2] += cover * np.float32(0.26)
    area[3] += cover * middle * np.clip(np.float32(0.5) + np.float32(0.25) * grain, 0.05, 1.2)
    canvas.mark(window, "platelets", distance < 0)


def scatter_red_cells(
    rng: np.random.Generator,
    extent: tuple[float, float],
    obstacles: NDArray[np.float64],
    density: float,
) -> list[RedCell]:
    """Spread red cells over a rectangle around the origin, touching and overlapping a little.

    Parameters
    ----------
    rng : numpy Generator
        Source of the layout.
    extent : (float, float)
        Half width and half height of the rectangle in µm.
    obstacles : float array [n, 3]
        White cells (x, y, radius in µm): red cells are pushed to their edge.
    density : float
        Share of the places of a loose hexagonal packing that are taken, 0-1.

    Returns
    -------
    list of RedCell
    """
    places = _loose_packing(rng, extent, density)
    places = _push_away(places, obstacles, RED_CELL_RADIUS - 0.4)
    return [sample_red_cell(rng, float(x), float(y)) for x, y in places]


def scatter_platelets(
    rng: np.random.Generator, extent: tuple[float, float], obstacles: NDArray[np.float64], per_area: float
) -> list[Platelet]:
    """Spread platelets (on average `per_area` per 1,000 µm²) over a rectangle, beside the white cells."""
    n = int(rng.poisson(per_area * 4 * extent[0] * extent[1] / 1000))
    places = _push_away(rng.uniform(-1, 1, (n, 2)) * np.array(extent), obstacles, 1.4)
    return [sample_platelet(rng, float(x), float(y)) for x, y in places]


def _loose_packing(rng: np.random.Generator, extent: tuple[float, float], density: float) -> NDArray[np.float64]:
    step = 2 * RED_CELL_RADIUS * 1.08
    columns = np.arange(-extent[0] - step, extent[0] + step, step)
    rows = np.arange(-extent[1] - step, extent[1] + step, step * 0.866)
    x, y = np.meshgrid(columns, rows)
    x[1::2] += step / 2
    places = np.stack([x.ravel(), y.ravel()], axis=1) + rng.uniform(-step / 2, step / 2, 2)
    places += rng.normal(0, 0.14 * step, places.shape)
    kept = places[rng.random(len(places)) < density]
    angle = rng.uniform(0, np.pi) if extent[0] == extent[1] else 0.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(kept @ turn.T)


def _push_away(places: NDArray[np.float64], obstacles: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    for x, y, size in obstacles:
        away = places - np.array([x, y])
        distance = np.hypot(away[:, 0], away[:, 1])
        deep = distance < 0.55 * size
        places, away, distance = places[~deep], away[~deep], distance[~deep]
        factor = np.maximum((size + radius) / np.maximum(distance, 1e-6), 1)
        places = np.array([x, y]) + away * factor[:, None]
    return places
