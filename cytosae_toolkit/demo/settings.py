"""Settings of the demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cytosae_toolkit.training.config import TrainConfig


@dataclass(frozen=True)
class Tour:
    """Settings of the demonstration.

    Parameters
    ----------
    out : Path
        Folder to write.
    seed : int
        Of everything random.
    n_images, n_fresh : int
        Generated images to learn from and to choose latents on; fresh ones to report on.
    backbone : str
        Backbone.
    backbone_options : mapping
        Its options.
    training : mapping
        Fields of `TrainConfig` that replace the demonstration's own.
    """

    out: Path
    seed: int = 0
    n_images: int = 600
    n_fresh: int = 300
    backbone: str = "nano"
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> TrainConfig:
        """Return the configuration of the training."""
        own: dict[str, Any] = {
            "images": (str(self.out / "smears" / "images.csv"),),
            "out": self.out / "run",
            "backbone": self.backbone,
            "backbone_options": dict(self.backbone_options),
            "tokens": self.out / "tokens",
            "expansion": 8.0,
            "steps": 600,
            "log_every": 20,
            "seed": self.seed,
        }
        return TrainConfig(**(own | dict(self.training)))
