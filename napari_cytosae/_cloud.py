"""Concepts as points: their places on logarithmic axes, and their colours. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._facts import Facts

LEVELS = 256
UNDEFINED = LEVELS
"""Index of the colour of concepts whose purity is unknown."""


@dataclass(frozen=True, eq=False)
class Cloud:
    """Concepts that have a place on logarithmic axes.

    Parameters
    ----------
    latents : int64 array [n]
        In an order in which none is hidden for its purity.
    x, y : float64 array [n]
        log10 of mean activation and of frequency.
    colour : int64 array [n]
        Label entropy as an index of `palette`; `UNDEFINED` where it is unknown.
    limits : (float, float, float, float)
        Smallest and largest x, then y, that the axes show.
    """

    latents: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: NDArray[np.int64]
    limits: tuple[float, float, float, float]


def cloud_of(facts: Facts, shown: NDArray[np.bool_]) -> Cloud:
    """Return the concepts that fired and are shown; the axes do not depend on what is shown.

    Parameters
    ----------
    facts : Facts
        Of all latents.
    shown : bool array [d_sae]
        Which are drawn.
    """
    fired = (facts.strength > 0) & (facts.frequency > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = np.log10(facts.strength), np.log10(facts.frequency)
    latents = np.random.default_rng(0).permutation(np.flatnonzero(fired & shown))
    entropy = facts.entropy[latents]
    largest = float(np.nanmax(facts.entropy, initial=0.0)) or 1.0
    levels = np.where(np.isnan(entropy), UNDEFINED, np.nan_to_num(entropy) / largest * (LEVELS - 1))
    return Cloud(latents, x[latents], y[latents], levels.astype(np.int64), (*_limits(x[fired]), *_limits(y[fired])))


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = (float(values.min()), float(values.max())) if len(values) else (-3.0, 0.0)
    margin = 0.04 * max(high - low, 0.5)
    return low - margin, high + margin


def palette(dark: bool) -> NDArray[np.uint32]:
    """Return the colours of label entropy, 0xffRRGGBB uint32 [257], without those that the background swallows.

    The last one is that of unknown entropy.
    """
    from napari.utils.colormaps import AVAILABLE_COLORMAPS

    low, high = (0.3, 1.0) if dark else (0.0, 0.85)
    rgb = AVAILABLE_COLORMAPS["viridis"].map(np.linspace(low, high, LEVELS))[:, :3]
    grey = np.full((1, 3), 0.5)
    parts = np.rint(np.vstack([rgb, grey]) * 255).astype(np.uint32)
    return np.asarray(0xFF000000 | parts[:, 0] << 16 | parts[:, 1] << 8 | parts[:, 2], dtype=np.uint32)


def disc(radius: float) -> list[tuple[int, int]]:
    """Return the pixels of a disc about (0, 0)."""
    r = int(np.ceil(radius))
    return [(dy, dx) for dy in range(-r, r + 1) for dx in range(-r, r + 1) if dy * dy + dx * dx <= radius * radius]


def decades(low: float, high: float, most: int) -> list[int]:
    """Return whole numbers between two, at most so many, evenly spaced."""
    every = list(range(int(np.ceil(low)), int(np.floor(high)) + 1))
    step = max(1, -(-len(every) // max(most, 1)))
    return every[::-1][::step]
