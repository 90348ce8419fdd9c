"""The reference cells of concepts as a figure for a slide, in a hematologist's words. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_cytosae._facts import Facts, percent
from napari_cytosae._words import called

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cytosae_toolkit.atlas.reading import Atlas


def concept_montage(atlas: Atlas, latents: Sequence[int], *, limit: int) -> Figure:
    """Draw two lines per concept: its best cells, and where on them it is.

    Parameters
    ----------
    atlas : Atlas
        With images.
    latents : sequence of int
        At least one.
    limit : int
        Cells per concept at most.

    Raises
    ------
    CytosaeError
        If the atlas has no images.
    """
    from cytosae_toolkit.figures.montage import montage_rows
    from cytosae_toolkit.figures.references import stacked_montage

    facts, names = Facts.of_table(atlas.statistics), atlas.latents["name"]
    rows = [
        replace(row, title=called(latent, names.loc[latent]), text=about(facts, latent))
        for latent, row in zip(latents, montage_rows(atlas, latents, limit=limit), strict=True)
    ]
    footer = "Orange: where the concept is, on one scale per row. Numbers: pattern strength, averaged over the picture."
    return stacked_montage(rows, footer=footer)


def about(facts: Facts, latent: int) -> str:
    """Return three short lines on a concept."""
    return f"found in {percent(facts.frequency[latent])} of cells\nten best cells:\n{facts.mostly(latent)}"
