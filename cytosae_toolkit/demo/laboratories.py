"""Laboratories: how a smear is stained, lit and photographed, whatever the cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError, nearest

PIGMENTS: tuple[str, ...] = ("haemoglobin", "eosin", "azure", "purple")
"""What absorbs light: haemoglobin (with its eosin), eosin, azure B, and their purple complex on DNA."""

_OPTICAL_DENSITY = np.array(
    [
        [0.20, 0.43, 0.47],  # haemoglobin: brownish pink
        [0.06, 0.62, 0.42],  # eosin: pink-red
        [0.66, 0.49, 0.16],  # azure B: blue
        [0.68, 1.00, 0.34],  # Romanowsky purple
    ]
)
"""Optical density (natural logarithm) per unit of pigment in red, green and blue: float64 [4, 3]."""


@dataclass(frozen=True)
class Laboratory:
    """One laboratory's stain and microscope.

    Attributes
    ----------
    name : str
        Its name; the `dataset` column of a generated table.
    gains : 4 floats
        Strength of each of `PIGMENTS` relative to the reference stain.
    shift : 3 floats
        Added to the optical density of every pigment per unit: turns the hue.
    background : 3 floats
        Red, green, blue of the empty slide, 0-255.
    gamma : float
        Exponent of the camera's tone curve; above 1 is darker.
    blur : float
        Standard deviation of the focus blur in µm.
    noise : float
        Standard deviation of the camera noise in grey levels.
    gradient : float
        Relative fall of the light from one side of the image to the other.
    """

    name: str
    gains: tuple[float, float, float, float]
    shift: tuple[float, float, float]
    background: tuple[float, float, float]
    gamma: float
    blur: float
    noise: float
    gradient: float

    def optical_density(self) -> NDArray[np.float64]:
        """Return optical density per unit pigment, float64 [4, 3], never negative."""
        density = (_OPTICAL_DENSITY + np.array(self.shift)) * np.array(self.gains)[:, None]
        return np.asarray(np.maximum(density, 0.02))


LABORATORIES: dict[str, Laboratory] = {
    lab.name: lab
    for lab in (
        Laboratory("amber", (0.95, 0.95, 0.95, 1.05), (0.0, 0.0, 0.05), (254, 238, 212), 1.0, 0.10, 2.0, 0.04),
        Laboratory("rose", (0.90, 1.15, 0.85, 1.05), (-0.04, 0.05, -0.02), (248, 236, 243), 1.0, 0.12, 2.5, 0.05),
        Laboratory("slate", (0.85, 0.80, 1.15, 0.85), (0.0, -0.03, -0.05), (216, 222, 218), 0.95, 0.16, 3.0, 0.08),
        Laboratory("dusk", (1.05, 0.90, 1.10, 0.95), (0.05, 0.0, 0.0), (212, 190, 196), 1.1, 0.20, 3.5, 0.12),
        Laboratory("pearl", (0.75, 0.85, 0.95, 0.92), (0.0, 0.0, 0.0), (246, 246, 243), 0.95, 0.11, 2.0, 0.03),
    )
}
"""The laboratories by name."""


def find_laboratory(name: str) -> Laboratory:
    """Return the laboratory of that name, or say which names there are."""
    try:
        return LABORATORIES[name]
    except KeyError:
        raise CytosaeError(f"There is no laboratory {name!r}.", nearest(name, list(LABORATORIES))) from None


def jitter(lab: Laboratory, rng: np.random.Generator, amount: float = 1.0) -> Laboratory:
    """Vary a laboratory as from slide to slide.

    Parameters
    ----------
    lab : Laboratory
        The laboratory's usual settings.
    rng : numpy Generator
        Source of the variation.
    amount : float
        0 leaves it as it is; 1 is a well-kept laboratory; larger is stain augmentation.
    """
    gains = np.array(lab.gains) * np.exp(rng.normal(0, 0.09 * amount, 4)) * np.exp(rng.normal(0, 0.06 * amount))
    background = np.array(lab.background) * np.exp(rng.normal(0, 0.008 * amount, 3) + rng.normal(0, 0.02 * amount))
    return replace(
        lab,
        gains=_four(gains),
        shift=_three(np.array(lab.shift) + rng.normal(0, 0.02 * amount, 3)),
        background=_three(np.clip(background, 60, 255)),
        gamma=float(lab.gamma * np.exp(rng.normal(0, 0.04 * amount))),
        blur=float(lab.blur * np.exp(rng.normal(0, 0.3 * amount))),
        gradient=float(lab.gradient * rng.uniform(0, 1 + amount)),
    )


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _four(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    a, b, c, d = (float(v) for v in values)
    return a, b, c, d
