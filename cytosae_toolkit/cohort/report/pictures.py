"""Cells with the patches on which a latent is active, as pictures inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.review_form import data_uri, grid_boxes
from cytosae_toolkit.cohort.heat_maps import Pair, heat_maps
from cytosae_toolkit.figures.heat import tint
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cytosae_toolkit.atlas.reading import Atlas


@dataclass(frozen=True)
class Shown:
    """A cell that a report shows for a latent or a named concept.

    Parameters
    ----------
    key : str
        Column of the barcodes.
    latents : tuple of int
        The latent, or all that bear the name.
    row : int
        Row of the atlas's images.
    value : float
        m_i, summed over the latents.
    """

    key: str
    latents: tuple[int, ...]
    row: int
    value: float


class CellPictures:
    """Makes the pictures of cells.

    Parameters
    ----------
    atlas : Atlas
        With images.
    cells : sequence of Shown
        All that will be shown: heat maps that the atlas does not keep are computed together.
    progress : Progress
        Whom to tell.

    Attributes
    ----------
    problem : str
        Why some heat maps show the strongest patch alone; ``""`` if none does.
    """

    def __init__(self, atlas: Atlas, cells: Sequence[Shown], progress: Progress = SILENT) -> None:
        self.atlas = atlas
        found = heat_maps(atlas, [(s, cell.row) for cell in cells for s in cell.latents], progress=progress)
        self._maps: Mapping[Pair, NDArray[np.float32]] = found.maps
        self.problem = found.problem
        self._plain: dict[int, str] = {}

    def heat(self, cell: Shown) -> NDArray[np.float32]:
        """Return the activation of each patch, summed over the latents, float32 [rows, columns]."""
        summed: NDArray[np.float32] = np.sum([self._maps[latent, cell.row] for latent in cell.latents], axis=0)
        return summed

    def peak(self, cell: Shown) -> tuple[int, int]:
        """Return row and column of the strongest patch; -1, -1 if only a prefix token fires."""
        heat = self.heat(cell)
        if heat.max() <= 0:
            return -1, -1
        row, column = divmod(int(heat.argmax()), heat.shape[1])
        return row, column

    def plain(self, row: int) -> str:
        """Return a cell as a data URI."""
        if row not in self._plain:
            self._plain[row] = data_uri(self._picture(row))
        return self._plain[row]

    def lit(self, cell: Shown, strongest: float) -> str:
        """Return a cell in grey with active patches in orange, as a data URI.

        Parameters
        ----------
        cell : Shown
            Which.
        strongest : float
            Activation of full orange, one for all pictures of a latent.
        """
        picture, heat = self._picture(cell.row), self.heat(cell)
        return data_uri(tint(picture, heat.ravel() / (strongest or 1.0), grid_boxes(picture.shape, heat.shape)))

    def _picture(self, row: int) -> NDArray[np.uint8]:
        picture = self.atlas.picture(row)
        return np.full((64, 64, 3), 240, dtype=np.uint8) if picture is None else picture


def strongest_cells(
    atlas: Atlas, latents: Sequence[int], n: int, *, only: NDArray[np.bool_] | None = None
) -> list[tuple[int, float]]:
    """Return the images on which latents are strongest together, one per cell.

    Parameters
    ----------
    atlas : Atlas
        With images.
    latents : sequence of int
        One, or those of a name.
    n : int
        How many at most.
    only : bool array [n_images], optional
        Which images may be chosen.

    Returns
    -------
    list of (int, float)
        Row, and m_i summed over the latents; best first.
    """
    values = np.zeros(atlas.n_images)
    for latent in latents:
        rows, means = atlas.column(latent)
        values[rows] += means
    if only is not None:
        values[~only] = 0
    ranked = np.argsort(-values, kind="stable")
    ranked = ranked[values[ranked] > 0]
    groups = atlas.images["group"].astype(str) if "group" in atlas.images else atlas.images["id"].astype(str)
    first = ~groups.iloc[ranked].duplicated().to_numpy()
    return [(int(row), float(values[row])) for row in ranked[first][:n]]


def png_uri(path: Path) -> str:
    """Return a PNG file as a data URI."""
    return _uri("image/png", path.read_bytes())


def svg_uri(text: str) -> str:
    """Return an SVG as a data URI."""
    return _uri("image/svg+xml", text.encode())


def figure_uri(figure: Figure) -> str:
    """Return a figure as a data URI, PNG."""
    import io

    out: Any = io.BytesIO()
    figure.savefig(out, dpi=170, format="png")
    return _uri("image/png", out.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
