"""Reference images of the latents that tell two groups apart, from the patients of the group that has more of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.cohort.groups import Group
from cytosae_toolkit.cohort.heat_maps import heat_maps
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.comparison import Comparison


@dataclass(frozen=True)
class LatentReferences:
    """Where one latent, or one named concept, is strongest among the images of one group of patients.

    Parameters
    ----------
    higher_in : str
        The group.
    rank : int
        Of the latent among those higher in the group, from 1.
    latents : tuple of int
        The latent, or all that bear the name.
    name : str
        ``""`` where there is none.
    rows : int64 array [n]
        Images, rows of the atlas, best first, one per cell.
    values : float64 array [n]
        m_i, summed over the latents.
    heatmaps : list of float32 array [rows, columns]
        Activation of each patch, summed over the latents.
    """

    higher_in: str
    rank: int
    latents: tuple[int, ...]
    name: str
    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    heatmaps: list[NDArray[np.float32]]

    @property
    def title(self) -> str:
        """The latent's number and name."""
        number = f"latent {self.latents[0]}" if len(self.latents) == 1 else f"{len(self.latents)} latents"
        return f"{number}: {self.name}" if self.name else number


@dataclass(frozen=True)
class TopReferences:
    """TopReferences of the top latents of both groups.

    Parameters
    ----------
    latents : list of LatentReferences
        Those higher in a, then those higher in b, each by rank.
    problem : str
        Why some heat maps show the strongest patch alone; ``""`` if none does.
    """

    latents: list[LatentReferences]
    problem: str

    def of(self, group: Group) -> list[LatentReferences]:
        """Return those of the latents higher in a group."""
        return [entry for entry in self.latents if entry.higher_in == group.name]


def check_atlas(comparison: Comparison, atlas: Atlas) -> None:
    """Refuse an atlas without images, of another SAE, or without the patients.

    Raises
    ------
    CytosaeError
        Saying which of these it is.
    """
    if not atlas.has_images:
        raise CytosaeError(f"{atlas.path} has no images to show.", "Build an atlas from images with `atlas build`.")
    expected, found = comparison.cohort.record.get("sae_fingerprint"), str(atlas.record["sae_fingerprint"])
    if found != expected:
        raise CytosaeError(
            f"The barcodes are about the SAE {str(expected)[:12]}, the atlas {atlas.path} about {found[:12]}.",
            "Name the atlas that the barcodes were made from.",
        )
    known = set(atlas.images["patient"].astype(str)) if "patient" in atlas.images else set()
    for group in (comparison.a, comparison.b):
        if not known.intersection(comparison.cohort.patients[group.rows]):
            raise CytosaeError(
                f"The atlas {atlas.path} has no image of any patient of {group.name!r}.",
                "Name the atlas that the barcodes were made from, not one packed without patient ids.",
            )


def comparison_references(
    comparison: Comparison,
    atlas: Atlas,
    *,
    top: int | None = None,
    n_images: int = 5,
    progress: Progress = SILENT,
) -> TopReferences:
    """Find the references of the top latents each way, and the patches that light up.

    Parameters
    ----------
    comparison : Comparison
        What was compared.
    atlas : Atlas
        That the barcodes were made from.
    top : int, optional
        Latents each way; by default as many as the comparison lists.
    n_images : int
        Images of each at most, each of another cell.
    progress : Progress
        Whom to tell.

    Raises
    ------
    CytosaeError
        See `check_atlas`.
    """
    check_atlas(comparison, atlas)
    chosen = [
        (group, rank, str(row.get("name", "")), latents, *_best(comparison, group, latents, atlas, n_images))
        for group in (comparison.a, comparison.b)
        for rank, row in enumerate((dict(row) for _, row in comparison.top(group, top).iterrows()), start=1)
        for latents in [_latents_of(row, atlas)]
    ]
    pairs = [(latent, int(row)) for _, _, _, latents, rows, _ in chosen for latent in latents for row in rows]
    found = heat_maps(atlas, pairs, progress=progress)
    entries = []
    for group, rank, name, latents, rows, values in chosen:
        maps = [np.sum([found.maps[latent, int(row)] for latent in latents], axis=0) for row in rows]
        entries.append(LatentReferences(group.name, rank, latents, name, rows, values, maps))
    return TopReferences(entries, found.problem)


def _latents_of(row: dict[str, Any], atlas: Atlas) -> tuple[int, ...]:
    """Return the latent of a row of the table, or those that bear its name."""
    if "latent" in row:
        return (int(row["latent"]),)
    return tuple(int(latent) for latent in np.flatnonzero(atlas.latents["name"] == row["name"]))


def _best(
    comparison: Comparison, group: Group, latents: tuple[int, ...], atlas: Atlas, n: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the n images of a group's patients on which m_i is largest, one per cell, and m_i on them."""
    values = np.zeros(atlas.n_images)
    for latent in latents:
        active, means = atlas.column(latent)
        values[active] += means
    images = atlas.images
    allowed = np.isin(images["patient"].astype(str), comparison.cohort.patients[group.rows].astype(str))
    ranked = np.argsort(-values, kind="stable")
    ranked = ranked[allowed[ranked] & (values[ranked] > 0)]
    first = ~images["group"].astype(str).iloc[ranked].duplicated().to_numpy()
    return ranked[first][:n], values[ranked[first][:n]]


def reference_table(references: Sequence[LatentReferences], atlas: Atlas) -> pd.DataFrame:
    """Return one line per reference image.

    Returns
    -------
    pandas.DataFrame
        Columns ``higher_in rank latent name place id patient label set m_i patch_row patch_column``: the latent's rank,
        the image's place among its references from 1, and its strongest patch, -1 if only a prefix token fires.
    """
    images, columns = atlas.images, atlas.grid[1]
    lines = []
    for entry in references:
        for place, (row, value, heatmap) in enumerate(zip(entry.rows, entry.values, entry.heatmaps, strict=True), 1):
            peak = int(heatmap.argmax()) if heatmap.max() > 0 else -1
            facts = {
                name: images[name].iloc[row] if name in images else None for name in ("id", "patient", "label", "set")
            }
            lines.append({
                "higher_in": entry.higher_in, "rank": entry.rank, "latent": "+".join(map(str, entry.latents)),
                "name": entry.name, "place": place, **facts, "m_i": value,
                "patch_row": peak // columns if peak >= 0 else -1, "patch_column": peak % columns if peak >= 0 else -1,
            })  # fmt: skip
    names = (
        "higher_in", "rank", "latent", "name", "place", "id", "patient", "label", "set", "m_i", "patch_row",
        "patch_column",
    )  # fmt: skip
    return pd.DataFrame(lines, columns=list(names))
