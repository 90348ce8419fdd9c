"""From pigment to picture: Beer-Lambert absorption, focus, light, camera noise."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from cytosae_toolkit.demo.canvas import Canvas
from cytosae_toolkit.demo.faults import plant
from cytosae_toolkit.demo.laboratories import Laboratory
from cytosae_toolkit.demo.noise import Floats, random_offset, smooth_noise


def expose(
    canvas: Canvas, lab: Laboratory, rng: np.random.Generator, planted: tuple[str, ...] = ()
) -> NDArray[np.uint8]:
    """Photograph a painted canvas.

    The light that passes is I = I₀ · exp(-Σ_p c_p ε_p) with pigment amounts c and optical densities ε; then
    come the focus blur, uneven illumination, faults, the camera's tone curve and its noise.

    Parameters
    ----------
    canvas : Canvas
        Pigments per pixel.
    lab : Laboratory
        Stain and microscope of this photograph (see `jitter`).
    rng : numpy Generator
        Source of the direction of the light and of the noise.
    planted : tuple of str
        Faults to plant; see `cytosae_toolkit.demo.faults`.

    Returns
    -------
    uint8 array [H, W, 3]
        RGB.
    """
    height, width = canvas.pigments.shape[1:]
    density = np.tensordot(canvas.pigments, lab.optical_density().astype(np.float32), axes=(0, 0))
    light = np.exp(-density, dtype=np.float32)
    light = scipy.ndimage.gaussian_filter(light, (lab.blur * canvas.view.scale,) * 2 + (0,), mode="nearest", truncate=3)
    light = light ** np.float32(lab.gamma) * np.array(lab.background, dtype=np.float32)
    light *= _illumination(height, width, lab.gradient, rng)[..., None]
    light = plant(light, planted)
    light = light + rng.standard_normal(light.shape, dtype=np.float32) * np.float32(lab.noise)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def _illumination(height: int, width: int, gradient: float, rng: np.random.Generator) -> Floats:
    """Return the relative light per pixel: a slope in a random direction and faint clouds, float32 [H, W]."""
    angle, offset = rng.uniform(0, 2 * np.pi), random_offset(rng)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    slope = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    clouds = smooth_noise(x + 0 * y, y + 0 * x, 0.8, offset)
    return 1 + np.float32(gradient / 2) * slope + np.float32(0.008) * clouds
