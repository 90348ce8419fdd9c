"""Outlines as signed distances: negative inside, positive outside, in µm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.demo.noise import Floats, random_offset, smooth_noise


class Shape(Protocol):
    """Anything that says how far points are from its outline."""

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """Return the (approximate) signed distance of points (µm) to the outline, same shape as `x`."""
        ...


@dataclass(frozen=True)
class Blob:
    """A round, slightly irregular outline around (x, y).

    ρ(θ) = radius · (1 + Re Σ_k harmonics[k] · exp(i (k + 2) θ)).

    Attributes
    ----------
    x, y, radius : float
        Centre and mean radius in µm.
    harmonics : complex tuple
        Relative amplitudes of the waves of order 2, 3, …; order 2 is elongation.
    """

    x: float
    y: float
    radius: float
    harmonics: tuple[complex, ...] = ()

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """Return signed distances; see `Shape`."""
        z = (x - np.float32(self.x)) + np.complex64(1j) * (y - np.float32(self.y))
        rho = np.abs(z)
        if not self.harmonics:
            return rho - np.float32(self.radius)
        unit = z / np.maximum(rho, np.float32(1e-6))
        power, wave = unit, np.ones_like(rho)
        for amplitude in self.harmonics:
            power = power * unit
            wave += np.real(np.complex64(amplitude) * power)
        return np.asarray(rho - np.float32(self.radius) * wave, dtype=np.float32)


@dataclass(frozen=True)
class Chain:
    """Round lobes joined by bridges in the order given, melted together smoothly.

    Attributes
    ----------
    lobes : float array [n, 3]
        Centre x, y and radius of every lobe in µm.
    bridge : float
        Half width of the bridges in µm.
    melt : float
        How far in µm neighbouring lobes melt into each other.
    """

    lobes: NDArray[np.float64]
    bridge: float
    melt: float

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """Return signed distances; see `Shape`."""
        distance = np.full(x.shape, 1e3, dtype=np.float32)
        for cx, cy, radius in self.lobes:
            lobe = np.hypot(x - np.float32(cx), y - np.float32(cy)) - np.float32(radius)
            distance = smooth_union(distance, lobe, self.melt)
        for start, end in zip(self.lobes[:-1, :2], self.lobes[1:, :2], strict=True):
            distance = smooth_union(distance, segment_distance(x, y, start, end) - self.bridge, self.melt)
        return distance


@dataclass(frozen=True)
class Within:
    """A shape made irregular by noise and kept inside another one.

    Attributes
    ----------
    shape, container : Shape
        The shape, and the outline that it may not leave.
    margin : float
        Least distance to the container's outline in µm.
    roughness, grain : float
        Standard deviation and blob size of the outline's irregularity in µm.
    offset : (float, float)
        Place on the noise plane.
    """

    shape: Shape
    container: Shape
    margin: float
    roughness: float = 0.0
    grain: float = 2.0
    offset: tuple[float, float] = (0.0, 0.0)

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """Return signed distances; see `Shape`."""
        distance = self.shape(x, y)
        if self.roughness:
            distance = distance + np.float32(self.roughness) * smooth_noise(x, y, self.grain, self.offset)
        kept = np.maximum(distance, self.container(x, y) + np.float32(self.margin))
        return np.asarray(kept, dtype=np.float32)


def smooth_union(a: Floats, b: Floats, melt: float) -> Floats:
    """Join two signed distances, rounding the notch between them over `melt` µm (0: a plain union)."""
    if melt <= 0:
        return np.minimum(a, b)
    gap = np.maximum(np.float32(melt) - np.abs(a - b), 0) / np.float32(melt)
    return np.asarray(np.minimum(a, b) - gap * gap * np.float32(melt / 4), dtype=np.float32)


def segment_distance(x: Floats, y: Floats, start: NDArray[np.float64], end: NDArray[np.float64]) -> Floats:
    """Return the distance of points (µm) to the straight segment from `start` to `end`, each [2]."""
    dx, dy = (float(v) for v in end - start)
    px, py = x - np.float32(start[0]), y - np.float32(start[1])
    along = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1).astype(np.float32)
    return np.asarray(np.hypot(px - along * np.float32(dx), py - along * np.float32(dy)), dtype=np.float32)


def random_blob(
    rng: np.random.Generator, x: float, y: float, radius: float, irregularity: float, elongation: float = 0.05
) -> Blob:
    """Draw a `Blob` whose waves of order 3-7 have relative amplitudes of about `irregularity` / order."""
    scale = np.array([elongation, *(irregularity / k for k in range(3, 8))])
    phase = rng.uniform(0, 2 * np.pi, scale.size)
    size = scale * rng.uniform(0.3, 1.3, scale.size)
    return Blob(x, y, radius, tuple(complex(c) for c in size * np.exp(1j * phase)))


def rough(
    rng: np.random.Generator, shape: Shape, container: Shape, margin: float, roughness: float, grain: float
) -> Within:
    """Put a shape inside a container with a random irregular outline."""
    return Within(shape, container, margin, roughness, grain, random_offset(rng))
