"""A loaded image: pixels, tokens, latents and patches; it never changes, so threads may share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.explore.codes import ImageCodes


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """One image after its pass through the backbone.

    Parameters
    ----------
    name : str
        For messages and files.
    image : uint8 array [H, W, 3]
        RGB.
    tokens : float array [n_tokens, d_model]
        Prefix first, rounded to the type that a token store keeps.
    codes : ImageCodes
        The latents of these tokens.
    boxes : float64 array [n_patches, 4]
        ``x0, y0, x1, y1`` of each patch in the image's pixels, row-major.
    key : str or None
        Content key; None for images that came as an array.
    fvu, l0 : float
        How well the SAE explains the image, and with how many latents per token; see
        `cytosae_toolkit.training.image_fit`. `fvu` is NaN if the run did not record its training images.
    unlike : bool or None
        Whether the image is unlike the training images; None if the run did not record them.
    """

    name: str
    image: NDArray[np.uint8]
    tokens: NDArray[Any]
    codes: ImageCodes
    boxes: NDArray[np.float64]
    key: str | None
    fvu: float
    l0: float
    unlike: bool | None

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.codes.grid

    def heatmap(self, latent: int) -> NDArray[np.float32]:
        """Return the activation of a latent on each patch, float32 [rows, columns].

        Raises
        ------
        CytosaeError
            If there is no such latent.
        """
        return self.codes.heatmap(check_latent(latent, self.codes.d_sae))

    def at_patch(self, patch: tuple[int, int]) -> pd.DataFrame:
        """Return the active latents of a patch, most active first; index `latent`, column `activation`.

        Raises
        ------
        CytosaeError
            If the patch is not on the grid.
        """
        row, column = check_patch(patch, self.grid)
        latents, values = self.codes.at_patch(row * self.grid[1] + column)
        order = np.argsort(-values, kind="stable")
        return pd.DataFrame({"activation": values[order]}, index=pd.Index(latents[order], name="latent"))

    def patch_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return the patch, (row, column), that holds a point of the image; None where there is none.

        Parameters
        ----------
        x, y : float
            In the image's pixels; (0, 0) is the upper left corner of the upper left pixel.
        """
        column = _slot(self.boxes[: self.grid[1], 0], float(self.boxes[-1, 2]), x)
        row = _slot(self.boxes[:: self.grid[1], 1], float(self.boxes[-1, 3]), y)
        return None if row is None or column is None else (row, column)

    def patch_box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return a patch's ``x0, y0, x1, y1`` in the image's pixels, half-open.

        Raises
        ------
        CytosaeError
            If the patch is not on the grid.
        """
        row, column = check_patch((row, column), self.grid)
        x0, y0, x1, y1 = self.boxes[row * self.grid[1] + column].tolist()
        return x0, y0, x1, y1


def _slot(edges: NDArray[np.float64], end: float, value: float) -> int | None:
    """Return between which lower edges a value lies, None outside."""
    if not edges[0] <= value < end:
        return None
    return int(np.searchsorted(edges, value, side="right")) - 1


def check_latent(latent: int, d_sae: int) -> int:
    """Return the latent, or refuse one that does not exist.

    Raises
    ------
    CytosaeError
        If there is no such latent.
    """
    if not 0 <= int(latent) < d_sae:
        raise CytosaeError(f"Latent {latent} does not exist: there are {d_sae}.", f"Choose 0 to {d_sae - 1}.")
    return int(latent)


def check_patch(patch: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """Return the patch, or refuse one outside the grid.

    Raises
    ------
    CytosaeError
        If the patch is not on the grid.
    """
    row, column = int(patch[0]), int(patch[1])
    if not (0 <= row < grid[0] and 0 <= column < grid[1]):
        raise CytosaeError(
            f"The patch {row},{column} is outside the grid of {grid[0]} rows and {grid[1]} columns.",
            f"Choose ROW,COL from 0,0 to {grid[0] - 1},{grid[1] - 1}.",
        )
    return row, column
