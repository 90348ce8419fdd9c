"""Faults that can be planted on purpose, so that later analyses can be shown to find them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

FAULT_NAMES: tuple[str, ...] = ("bright", "mark", "fibre")


@dataclass(frozen=True)
class Faults:
    """Which faults a generated data set gets; by default none.

    Attributes
    ----------
    bright : float
        Share (0-1) of the images that are much brighter: the light is 1.3 times as strong and saturates.
    mark : float
        Share (0-1) of the images with an ink dot at one fixed place near the upper left corner.
    fibre : float
        Share (0-1) of the images of laboratory `fibre_laboratory` that show its structure: fine green-blue
        stripes along the lower edge, as of a dirty stage.
    fibre_laboratory : str
        The laboratory with the stripes.
    confounding : float
        Share (0-1) of the patients whose laboratory is fixed by their disease instead of drawn at random.
    """

    bright: float = 0.0
    mark: float = 0.0
    fibre: float = 0.0
    fibre_laboratory: str = "slate"
    confounding: float = 0.0

    def __post_init__(self) -> None:
        for name in ("bright", "mark", "fibre", "confounding"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise CytosaeError(f"The fault option {name} is a share and must lie in 0-1, not {value}.")

    @property
    def in_images(self) -> bool:
        """Whether any image can carry a visible fault."""
        return bool(self.bright or self.mark or self.fibre)


NO_FAULTS = Faults()
"""A data set without faults."""


def draw_faults(faults: Faults, laboratory: str, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw which of `FAULT_NAMES` one image of a laboratory carries."""
    shares = (faults.bright, faults.mark, faults.fibre if laboratory == faults.fibre_laboratory else 0.0)
    chances = rng.random(len(shares))
    return tuple(n for n, share, chance in zip(FAULT_NAMES, shares, chances, strict=True) if chance < share)


def plant(light: NDArray[np.float32], planted: tuple[str, ...]) -> NDArray[np.float32]:
    """Add faults to an image before it is digitised.

    Parameters
    ----------
    light : float32 array [H, W, 3]
        Light, 0-255 (more is allowed: it saturates later).
    planted : tuple of str
        Which of `FAULT_NAMES`.

    Returns
    -------
    float32 array [H, W, 3]
        A new array where something was planted.
    """
    if "mark" in planted:
        light = light * (1 - _dot(*light.shape[:2])[..., None] * np.array([0.9, 0.85, 0.7], dtype=np.float32))
    if "fibre" in planted:
        light = light * (1 - _stripes(*light.shape[:2])[..., None] * np.array([0.65, 0.15, 0.30], dtype=np.float32))
    if "bright" in planted:
        light = light * np.float32(1.3)
    return np.asarray(light, dtype=np.float32)


def _dot(height: int, width: int) -> NDArray[np.float32]:
    size = min(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) + np.float32(0.5)
    distance = np.hypot(x - np.float32(0.095 * size), y - np.float32(0.095 * size))
    return np.asarray(np.clip(np.float32(0.055 * size) - distance, 0, 1), dtype=np.float32)


def _stripes(height: int, width: int) -> NDArray[np.float32]:
    size = min(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    wave = 0.5 + 0.5 * np.sin((x + y) * np.float32(2 * np.pi / (size / 25)))
    return np.asarray(np.where(y > height - 0.125 * size, wave, 0), dtype=np.float32)
