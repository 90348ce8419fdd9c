"""Places for granules, vacuoles and Auer rods inside a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.demo.shapes import Shape


def scatter_spots(
    rng: np.random.Generator, region: Shape, extent: float, spacing: float, radius: float, share: float = 1.0
) -> NDArray[np.float64]:
    """Spread spots of about one size over a region, evenly but not regularly.

    Parameters
    ----------
    rng : numpy Generator
        Source of the places.
    region : Shape
        Spots' middles lie inside it.
    extent : float
        Half width (µm) of a square around the origin that holds the region.
    spacing, radius : float
        Mean distance of neighbours and mean radius in µm.
    share : float
        Share of the places that are taken, 0-1.

    Returns
    -------
    float64 array [n, 3]
        x, y, radius in µm.
    """
    line = np.arange(-extent, extent, spacing)
    x, y = np.meshgrid(line, line)
    x[1::2] += spacing / 2
    points = np.stack([x.ravel(), y.ravel()], axis=1) + rng.normal(0, 0.22 * spacing, (x.size, 2))
    points = points[rng.random(len(points)) < share]
    points = points[inside(region, points)]
    sizes = radius * np.clip(rng.normal(1, 0.18, len(points)), 0.5, 1.6)
    return np.column_stack([points, sizes])


def inside(region: Shape, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points, float64 [n, 2] in µm, lie inside a region: bool [n]."""
    x, y = points.astype(np.float32).T
    return np.asarray(region(x, y) < 0)


def scatter_rods(rng: np.random.Generator, region: Shape, extent: float, n: int, bundle: bool) -> NDArray[np.float64]:
    """Lay Auer rods into a region.

    Parameters
    ----------
    rng : numpy Generator
        Source of the places.
    region : Shape
        The cytoplasm; a rod lies inside it over its whole length.
    extent : float
        Half width (µm) of a square around the origin that holds the region.
    n : int
        How many rods are wanted; fewer are found where there is no room, but at least one.
    bundle : bool
        Whether they lie side by side (a faggot) or anyhow.

    Returns
    -------
    float64 array [m, 5]
        Start x, y, end x, y and half width in µm, 1 <= m <= n; rods are 2.6-5.5 µm long and 0.6-0.9 µm wide.
    """
    candidates = _rod_candidates(rng, extent, 1500)
    fits = candidates[_rod_fits(region, candidates)]
    if not len(fits):
        return _shortest_rod(region, candidates)
    first = fits[np.argmax(np.hypot(*(fits[:, 2:4] - fits[:, 0:2]).T) * rng.uniform(0.7, 1, len(fits)))]
    pool = _beside(rng, first, 300) if bundle else fits
    pool = pool[_rod_fits(region, pool)]
    return _apart(np.vstack([first[None], pool]), n, 0.75 if bundle else 1.5)


def _rod_candidates(rng: np.random.Generator, extent: float, n: int) -> NDArray[np.float64]:
    middle, angle = rng.uniform(-extent, extent, (n, 2)), rng.uniform(0, np.pi, n)
    half = rng.uniform(1.3, 2.75, n)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    return np.column_stack([middle - half, middle + half, rng.uniform(0.30, 0.44, n)])


def _beside(rng: np.random.Generator, rod: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return rods nearly parallel to one, spread to both sides of it."""
    middle, along = (rod[0:2] + rod[2:4]) / 2, (rod[2:4] - rod[0:2]) / 2
    turn, stretch = rng.normal(0, 0.14, n), rng.uniform(0.7, 1.05, n)
    cos, sin = np.cos(turn) * stretch, np.sin(turn) * stretch
    half = np.column_stack([cos * along[0] - sin * along[1], sin * along[0] + cos * along[1]])
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
    place = middle + across * rng.uniform(-3.5, 3.5, (n, 1)) + along * rng.normal(0, 0.2, (n, 1))
    return np.column_stack([place - half, place + half, rng.uniform(0.28, 0.38, n)])


def _rod_fits(region: Shape, rods: NDArray[np.float64]) -> NDArray[np.bool_]:
    steps = np.linspace(0, 1, 7)[:, None, None]
    points = rods[:, 0:2] * (1 - steps) + rods[:, 2:4] * steps
    return np.asarray(inside(region, points.reshape(-1, 2)).reshape(7, -1).all(axis=0))


def _shortest_rod(region: Shape, candidates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one short rod around the point that lies deepest inside the region, float64 [1, 5]."""
    middle = (candidates[:, 0:2] + candidates[:, 2:4]) / 2
    x, y = middle.astype(np.float32).T
    best = int(np.argmin(region(x, y)))
    half = (candidates[best, 2:4] - candidates[best, 0:2]) / 2
    half *= 1.3 / max(float(np.hypot(*half)), 1e-6)
    return np.array([[*(middle[best] - half), *(middle[best] + half), 0.32]])


def _apart(rods: NDArray[np.float64], n: int, gap: float) -> NDArray[np.float64]:
    """Keep up to `n` rods whose middles are at least `gap` µm apart, the first ones first."""
    kept: list[NDArray[np.float64]] = []
    for rod in rods:
        middle = (rod[0:2] + rod[2:4]) / 2
        if all(np.hypot(*(middle - (k[0:2] + k[2:4]) / 2)) >= gap for k in kept):
            kept.append(rod)
        if len(kept) == n:
            break
    return np.array(kept)
