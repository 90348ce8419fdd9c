"""The control card of a latent: signs that it looks at the photograph and not at the cell."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.auroc import set_auroc
from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.positions import PatchTotals, border_share, off_centre, position_r2
from cytosae_toolkit.atlas.regressions import colour_r2, correlation
from cytosae_toolkit.atlas.reproducibility import reproducibility


@dataclass(frozen=True)
class FlagLimits:
    """Above which values a latent is flagged.

    Set on generated smears with planted faults (two backbones), so that latents of faults are flagged and those of
    granules, Auer rods and nuclei are not; `set_auroc` also on four real image sets, of whose latents it flags 12 %.

    Attributes
    ----------
    colour_r2 : float
        Variance of image means predicted by colour.
    position_r2 : float
        Variance over patches explained by position.
    off_centre : float
        Agreement of the references' peaks on one side of the image.
    border_share : float
        Share of activation in the outermost ring.
    set_auroc : float
        AUROC of one image set against the others.
    reproducible : float
        From this reproducibility on, `colour` and `position` are not flagged: what other photographs of a cell
        confirm lies in the cell.
    min_groups : int
        Below so many active groups: `few_cells`.
    """

    colour_r2: float = 0.25
    position_r2: float = 0.5
    off_centre: float = 0.6
    border_share: float = 0.7
    set_auroc: float = 0.9
    reproducible: float = 0.5
    min_groups: int = 10

    def record(self) -> dict[str, float | int]:
        """Return the limits by name, for the record of an atlas."""
        return asdict(self)


@dataclass(frozen=True)
class ControlCard:
    """Control values of a range of latents, each float64 [n_latents], NaN where undefined.

    Parameters
    ----------
    colour_r2 : float64
        See `colour_r2`.
    position_r2, off_centre, border_share : float64
        See `position_r2`, `off_centre`, `border_share`.
    set_auroc : float64
        See `set_auroc`.
    set_auroc_set : int64
        Position of that set in `ImageFacts.set_names`, -1 for none.
    reproducibility : float64
        See `reproducibility`.
    nuclear_area_r, nc_ratio_r, cell_size_r : float64
        Correlation with the measure of the cell.
    """

    colour_r2: NDArray[np.float64]
    position_r2: NDArray[np.float64]
    off_centre: NDArray[np.float64]
    border_share: NDArray[np.float64]
    set_auroc: NDArray[np.float64]
    set_auroc_set: NDArray[np.int64]
    reproducibility: NDArray[np.float64]
    nuclear_area_r: NDArray[np.float64]
    nc_ratio_r: NDArray[np.float64]
    cell_size_r: NDArray[np.float64]


def control_card(columns: Columns, facts: ImageFacts, totals: PatchTotals) -> ControlCard:
    """Return the control card of a range of latents."""
    auroc, auroc_set = set_auroc(columns, facts)
    return ControlCard(
        colour_r2=colour_r2(columns, facts),
        position_r2=position_r2(totals, columns.n_active),
        off_centre=off_centre(columns, facts, totals.grid or totals.shape),
        border_share=border_share(totals),
        set_auroc=auroc,
        set_auroc_set=auroc_set,
        reproducibility=reproducibility(columns, facts),
        nuclear_area_r=correlation(columns, facts, facts.nuclear_area),
        nc_ratio_r=correlation(columns, facts, facts.nc_ratio),
        cell_size_r=correlation(columns, facts, facts.cell_size),
    )


def flags(
    card: ControlCard, n_groups: NDArray[np.int64], limits: FlagLimits = FlagLimits()
) -> dict[str, NDArray[np.bool_]]:
    """Return which latents carry which flag; what is undefined is not flagged.

    Parameters
    ----------
    card : ControlCard
        Control values.
    n_groups : int64 array [n_latents]
        Groups on which each latent is active.
    limits : FlagLimits
        Where flags begin.

    Returns
    -------
    dict of bool array [n_latents]
        ``colour``, ``position`` (explained by position, on one side of the image, or mostly in the border), ``set``,
        ``few_cells``.
    """
    doubtful = ~(card.reproducibility >= limits.reproducible)
    placed = (
        (card.position_r2 > limits.position_r2)
        | (card.off_centre > limits.off_centre)
        | (card.border_share > limits.border_share)
    )
    return {
        "colour": (card.colour_r2 > limits.colour_r2) & doubtful,
        "position": placed & doubtful,
        "set": card.set_auroc > limits.set_auroc,
        "few_cells": n_groups < limits.min_groups,
    }
