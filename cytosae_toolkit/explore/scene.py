"""A picture as it was read: one cell, cells or boxes of a field, or windows over it; each part keeps its latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.atlas.localisation import patch_coverage
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.box_summary import BoxSummary
from cytosae_toolkit.explore.codes import ImageCodes
from cytosae_toolkit.explore.heat import Canvas, Heat, blended, heat_of_part
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.explore.regions import rank_region

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.images.decode import Box
    from cytosae_toolkit.images.red_cell_size import RedCellSize

Kind = Literal["cell", "cells", "boxes", "windows"]
KINDS: tuple[Kind, ...] = ("cell", "cells", "boxes", "windows")


@dataclass(frozen=True)
class Spot:
    """A patch of a picture.

    Parameters
    ----------
    part : int
        Which part of the scene.
    row, column : int
        Of the part's patch grid.
    """

    part: int
    row: int
    column: int


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a picture that was read as an image of its own.

    Parameters
    ----------
    image : LoadedImage
        With its latents; its tokens are not kept.
    box : (int, int, int, int)
        ``x0, y0, x1, y1`` in the picture's pixels, half-open.
    """

    image: LoadedImage
    box: Box

    def patch_at(self, x: float, y: float) -> tuple[int, int] | None:
        """Return the patch, (row, column), that holds a point of the picture; None where there is none."""
        return self.image.patch_at(x - self.box[0], y - self.box[1])

    def patch_box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Return a patch's ``x0, y0, x1, y1`` in the picture's pixels, half-open."""
        x0, y0, x1, y1 = self.image.patch_box(row, column)
        return x0 + self.box[0], y0 + self.box[1], x1 + self.box[0], y1 + self.box[1]

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """All patches in the picture's pixels, float64 [n_patches, 4], row-major."""
        return self.image.boxes + np.tile(np.asarray(self.box[:2], dtype=np.float64), 2)

    @cached_property
    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where rows and columns of patches begin, and the last ends, float64 [rows + 1] and [columns + 1]."""
        n_columns = self.image.grid[1]
        return (
            np.append(self.boxes[::n_columns, 1], self.boxes[-1, 3]),
            np.append(self.boxes[:n_columns, 0], self.boxes[-1, 2]),
        )


class Scene:
    """An analysed picture; it never changes, so threads may share it.

    Parameters
    ----------
    explorer : Explorer
        That read it.
    kind : str
        ``"cell"``: the whole picture; ``"cells"``: white cells that were found; ``"boxes"``: boxes that were given;
        ``"windows"``: windows that slide over it, approximate.
    shape : (int, int)
        Height and width of the picture.
    parts : sequence of Part
        In the order in which they were found.
    scale : RedCellSize, optional
        By which cells were found.
    """

    def __init__(
        self,
        explorer: Explorer,
        kind: Kind,
        shape: tuple[int, int],
        parts: Sequence[Part],
        scale: RedCellSize | None = None,
    ) -> None:
        self.explorer, self.kind, self.shape, self.parts, self.scale = explorer, kind, shape, tuple(parts), scale

    @property
    def approximate(self) -> bool:
        """Whether its parts were cut otherwise than the training images."""
        return self.kind == "windows"

    @property
    def unlike(self) -> float | None:
        """Share of the parts that are unlike the training images; None if the run did not record those."""
        known = [part.image.unlike for part in self.parts if part.image.unlike is not None]
        return float(np.mean(known)) if known else None

    def locate(self, x: float, y: float) -> Spot | None:
        """Return the patch under a point of the picture; where parts overlap, of the one whose middle is nearest.

        Parameters
        ----------
        x, y : float
            In the picture's pixels; (0, 0) is the upper left corner of the upper left pixel.
        """
        for i in self._nearest(x, y):
            found = self.parts[i].patch_at(x, y)
            if found is not None:
                return Spot(i, *found)
        return None

    def _nearest(self, x: float, y: float) -> list[int]:
        """Return the parts that hold a point, the one whose middle is nearest, in its own sides, first."""
        x0, y0, x1, y1 = self._boxes.T
        distance = np.maximum(np.abs(2 * x - x0 - x1) / (x1 - x0), np.abs(2 * y - y0 - y1) / (y1 - y0))
        order = np.argsort(distance, kind="stable")
        return [int(i) for i in order[distance[order] <= 1]]

    @cached_property
    def _boxes(self) -> NDArray[np.float64]:
        return np.array([part.box for part in self.parts], dtype=np.float64).reshape(-1, 4)

    def patch_box(self, spot: Spot) -> tuple[float, float, float, float]:
        """Return a patch's ``x0, y0, x1, y1`` in the picture's pixels."""
        return self.parts[spot.part].patch_box(spot.row, spot.column)

    def top_latents(self, spot: Spot, n: int | None = 10, *, hide_everywhere: bool = True) -> pd.DataFrame:
        """Return the most active latents of a patch; index `latent`, column `activation`."""
        image = self.parts[spot.part].image
        return self.explorer.top_latents((spot.row, spot.column), n, hide_everywhere=hide_everywhere, image=image)

    def latents(self, n: int | None = None, *, hide_everywhere: bool = True) -> pd.DataFrame:
        """Return the latents of the picture over all its parts; columns as `BoxSummary.table`."""
        return self._summary.table(top=n, everywhere=not hide_everywhere)

    @cached_property
    def _summary(self) -> BoxSummary:
        summary = BoxSummary(self.explorer)
        for part in self.parts:
            summary.add(part.image)
        return summary

    def heat(self, latent: int) -> Heat:
        """Return the heat map of a latent over the picture.

        A single regular grid of patches stays as it is. Parts of a field are painted into one map of the field, the
        larger activation where cells overlap; windows are blended as `cytosae_toolkit.explore.windows.slide` does.
        """
        if len(self.parts) == 1 and (heat := heat_of_part(self.parts[0], latent)) is not None:
            return heat
        return blended(self.parts, self.shape, latent) if self.kind == "windows" else self._canvas.heat(latent)

    @cached_property
    def _canvas(self) -> Canvas:
        return Canvas(self.parts, self.shape)

    def rank_region(
        self,
        mask: NDArray[np.bool_],
        other: NDArray[np.bool_] | None = None,
        *,
        n: int | None = 20,
        hide_everywhere: bool = True,
    ) -> pd.DataFrame:
        """Rank latents by contrast of a region against the rest of the parts it touches, or against another region.

        Parameters
        ----------
        mask, other : bool array [H, W]
            In the picture's pixels.
        n : int, optional
            How many at most.
        hide_everywhere : bool
            Leave out latents that fire everywhere.

        Returns
        -------
        DataFrame
            Columns as `cytosae_toolkit.explore.regions.rank_region`; of one cell equal to `Explorer.rank_region`.

        Raises
        ------
        CytosaeError
            If a region has another shape or touches no part, or nothing is left to compare with.
        """
        inside = self._coverage(mask)
        compared = None if other is None else self._coverage(other)
        touched = [i for i, own in enumerate(inside) if own.any() or (compared is not None and compared[i].any())]
        patches = sparse.vstack([self.parts[i].image.codes.patches for i in touched], format="csr")
        codes = ImageCodes(sparse.csr_array(patches), 0, (int(patches.shape[0]), 1))
        table = rank_region(codes, _joined(inside, touched), None if compared is None else _joined(compared, touched))
        shown = ~self._everywhere | self.explorer.named()
        return (table[shown[table.index]] if hide_everywhere else table).iloc[:n]

    def _coverage(self, mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
        """Return the share of each patch that a region covers, part by part."""
        if mask.shape != self.shape:
            raise CytosaeError(
                f"The region has the shape {list(mask.shape)}, but the picture has {list(self.shape)} pixels."
            )
        crops = [mask[y0:y1, x0:x1] != 0 for x0, y0, x1, y1 in (part.box for part in self.parts)]
        weights = [
            patch_coverage(crop, part.image.boxes) if crop.any() else np.zeros(len(part.image.boxes))
            for crop, part in zip(crops, self.parts, strict=True)
        ]
        if not any(own.any() for own in weights):
            raise CytosaeError("The region lies where nothing was read.", "Draw it over a cell that was found.")
        return weights

    @cached_property
    def _everywhere(self) -> NDArray[np.bool_]:
        """Which latents fire everywhere: in the atlas, or without one on most patches of all parts, bool [d_sae]."""
        if self.explorer.atlas is not None:
            return self.explorer.fires_everywhere(self.parts[0].image)
        share = np.mean([part.image.codes.patch_share() for part in self.parts], axis=0)
        return np.asarray(share > self.explorer.everywhere)


def _joined(weights: Sequence[NDArray[np.float64]], parts: Sequence[int]) -> NDArray[np.float64]:
    return np.concatenate([weights[i] for i in parts])
