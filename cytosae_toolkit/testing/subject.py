"""What the checks of backbones work on: the backbone, how to make it again, and synthetic images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.interfaces.backbone import Backbone


@dataclass
class BackboneSubject:
    """The backbone under test and how to make it again.

    Parameters
    ----------
    create : callable
        Returns the backbone.
    """

    create: Callable[[], Backbone]

    @cached_property
    def backbone(self) -> Backbone:
        """One instance, shared by the checks."""
        return self.create()

    def tokens(self, *images: NDArray[np.uint8], layer: int = 0) -> Tensor:
        """Return tokens of images on the CPU, float32 [B, tokens, d_model]."""
        batch = torch.stack([self.backbone.preprocess(image) for image in images])
        return self.backbone.tokens(batch, layer).cpu()


def photograph(height: int = 90, width: int = 120, seed: int = 0) -> NDArray[np.uint8]:
    """Return a synthetic RGB image: a purple disc on pink, with noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    disc = np.hypot(y - height * (0.4 + 0.05 * seed), x - width * 0.55) < min(height, width) / 3
    colours = np.where(disc[..., None], (120, 60, 150), (230, 190, 200))
    noisy = colours + random.normal(0, 12, (height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def relative_difference(a: Tensor, b: Tensor) -> float:
    """Return ‖a - b‖ / ‖b‖."""
    return float((a - b).norm() / b.norm().clamp_min(1e-12))
