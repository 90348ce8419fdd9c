"""A small stand-in of an atlas for tests of reviews: 40 images, 30 latents, pictures of 8x8 pixels, grid 2x2."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd


class ReviewAtlas:
    d_sae, grid, has_images = 30, (2, 2), True

    def __init__(self, path: Path) -> None:
        rng = np.random.default_rng(0)
        self.path = path
        self.record = {"sae_fingerprint": "f00dfacef00dface"}
        self.h = rng.random((40, 4, 30)).astype(np.float32) * (rng.random((40, 4, 30)) < 0.4)
        self.h *= np.logspace(-5, 1, 30, dtype=np.float32)
        self.h[:, :, 29] = 0
        self.means = self.h.mean(axis=1)
        self.images = pd.DataFrame(
            {"id": [f"secret-{i}" for i in range(40)], "group": [str(i // 2) for i in range(40)]}
        )

    @property
    def latents(self) -> pd.DataFrame:
        active = (self.means > 0).sum(axis=0)
        return pd.DataFrame(
            {
                "mean_activation": self.means.sum(axis=0) / np.maximum(active, 1),
                "frequency": active / 40,
                "dominant_label": "secret blast",
                "flag_colour": np.arange(30) == 28,
            }
        ).rename_axis("latent")

    def references(self, latent: int) -> list[SimpleNamespace]:
        found: dict[str, SimpleNamespace] = {}
        for row in np.argsort(-self.means[:, latent], kind="stable"):
            group = self.images["group"][row]
            if self.means[row, latent] > 0 and group not in found:
                found[group] = SimpleNamespace(row=int(row), group=group)
        return list(found.values())[:10]

    def picture(self, row: int) -> np.ndarray:
        return np.full((8, 8, 3), 5 * row + 20, dtype=np.uint8)

    def heatmap(self, latent: int, row: int) -> np.ndarray:
        return self.h[row, :, latent].reshape(2, 2)

    def column(self, latent: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.flatnonzero(self.means[:, latent])
        return rows, self.means[rows, latent]
