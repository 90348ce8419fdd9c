"""The latents of several boxes of a field, gathered one image after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.explore.image import LoadedImage


class BoxSummary:
    """Gathers the latents of several boxes of a field, one image after the other.

    Parameters
    ----------
    explorer : Explorer
        Knows which latents fire everywhere.
    """

    def __init__(self, explorer: Explorer) -> None:
        n = explorer.d_sae
        self.explorer = explorer
        self.n_images = self.n_unlike = 0
        self._total, self._highest, self._largest = np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.float32)
        self._best, self._active, self._hidden = (np.zeros(n, dtype=np.int64) for _ in range(3))

    def add(self, image: LoadedImage) -> None:
        """Add a box."""
        found = image.codes.table(self.explorer.threshold)
        at, mean = found.index.to_numpy(), found["mean"].to_numpy(np.float64)
        self._total[at] += mean
        self._largest[at] = np.maximum(self._largest[at], found["max"])
        self._active[at] += 1
        better = mean > self._highest[at]
        self._best[at[better]], self._highest[at[better]] = self.n_images, mean[better]
        self._hidden += self.explorer.fires_everywhere(image)
        self.n_images += 1
        self.n_unlike += bool(image.unlike)

    def table(self, *, latents: Sequence[int] = (), top: int | None = 10, everywhere: bool = False) -> pd.DataFrame:
        """Return latents, largest mean first, or those that are given.

        Returns
        -------
        DataFrame
            Index `latent`; `mean`, of the image-level activation over all boxes; `max`, over their patches;
            `n_active`, on how many boxes it is active; `best`, the number, from 1, of the box with the largest mean,
            0 for none.
        """
        shown = (self._active > 0) & (everywhere | (self._hidden < self.n_images) | self.explorer.named())
        at = np.asarray(latents, dtype=np.int64) if len(latents) else np.flatnonzero(shown)
        found = pd.DataFrame(
            {
                "mean": self._total[at] / max(self.n_images, 1),
                "max": self._largest[at],
                "n_active": self._active[at],
                "best": np.where(self._active[at] > 0, self._best[at] + 1, 0),
            },
            index=pd.Index(at, name="latent"),
        )
        return found if len(latents) else found.sort_values("mean", ascending=False, kind="stable").iloc[:top]
