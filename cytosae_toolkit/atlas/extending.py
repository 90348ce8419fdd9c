"""A finished atlas as a source: its images go into a new atlas beside others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.atlas.accumulators import PatchSums
from cytosae_toolkit.atlas.blocks import Entries, Heats
from cytosae_toolkit.atlas.facts import CELL
from cytosae_toolkit.atlas.sources import EMBEDDINGS, RowMatrices

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

ROWS = 1024
"""Images read at a time."""


class AtlasSource:
    """The images of an atlas folder; everything is read from it, no image file is needed.

    Parameters
    ----------
    atlas : Atlas
        Not packed.
    """

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.set_names: Sequence[str] = atlas.sets
        self.skipped: list[dict[str, str]] = atlas.record["skipped"]

    def images(self) -> tuple[pd.DataFrame, dict[str, NDArray[Any]]]:
        """Return the table, with absolute paths, and what was measured on the images."""
        table = self.atlas.images
        arrays: dict[str, NDArray[Any]] = {
            "fvu": table["fvu"].to_numpy(np.float64),
            "l0": table["l0"].to_numpy(np.float64),
            "unlike": table["unlike"].to_numpy(bool),
            "colour": self.atlas.embedding("colour"),
            "cell": table[list(CELL)].to_numpy(np.float64),
        }
        frame = table.drop(columns=["fvu", "l0", "unlike", *CELL])
        for name in frame.select_dtypes("category").columns:
            frame[name] = frame[name].astype(object)
        frame["path"] = [str(self.atlas.original(row).resolve()) for row in range(len(frame))]
        return frame, arrays

    def latent_counts(self) -> NDArray[np.int64]:
        """Return the number of images on which each latent is active."""
        return self.atlas.media.latent_counts()

    def entries(self, first: int, stop: int) -> Entries:
        """Return the entries of a range of latents."""
        return self.atlas.media.entries(first, stop)

    def heats(self, first: int, stop: int) -> Heats:
        """Return the heat maps of a range of latents."""
        return self.atlas.media.heats(first, stop)

    def matrices(self) -> Iterator[RowMatrices]:
        """Yield the rows of `X`, `mean` and `max`."""
        for start in range(0, self.atlas.n_images, ROWS):
            rows = np.arange(start, min(start + ROWS, self.atlas.n_images))
            x, mean, largest = (
                sparse.csr_array(self.atlas.matrix_rows(name, rows)) for name in ("X", "layers/mean", "layers/max")
            )
            yield x, mean, largest

    def embeddings(self) -> Iterator[dict[str, NDArray[np.float32]]]:
        """Yield the embeddings."""
        arrays = {name: self.atlas.lazy(f"obsm/{name}") for name in EMBEDDINGS}
        for start in range(0, self.atlas.n_images, ROWS):
            yield {name: np.asarray(array[start : start + ROWS]) for name, array in arrays.items()}

    def pictures(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Yield the pictures."""
        for start in range(0, self.atlas.n_images, ROWS):
            yield self.atlas.media.picture_bytes(start, min(start + ROWS, self.atlas.n_images))

    def add_sums(self, sums: PatchSums, set_names: Sequence[str]) -> None:
        """Add the patch sums of the atlas."""
        own = PatchSums(self.atlas.d_sae, self.atlas.grid, len(self.set_names), 0.0)
        own.restore(self.atlas.media.sums())
        sums.add(own, np.array([set_names.index(name) for name in self.set_names], dtype=np.int64))
