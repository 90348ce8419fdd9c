"""Heat maps of any image of an atlas: those it keeps, and others computed from its own pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

Pair = tuple[int, int]
"""A latent, and an image by its row in the atlas."""

_AT_ONCE = 64


@dataclass(frozen=True)
class HeatMaps:
    """Heat maps by (latent, row).

    Parameters
    ----------
    maps : dict of (int, int) to float32 array [rows, columns]
        Activation of each patch.
    problem : str
        Why some could not be computed, ``""`` if all could: those show the strongest patch alone.
    """

    maps: dict[Pair, NDArray[np.float32]]
    problem: str = ""


def heat_maps(atlas: Atlas, pairs: Sequence[Pair], *, progress: Progress = SILENT) -> HeatMaps:
    """Return the heat maps of latents on images.

    Parameters
    ----------
    atlas : Atlas
        With images.
    pairs : sequence of (int, int)
        Latent and row.
    progress : Progress
        Whom to tell.

    Returns
    -------
    HeatMaps
        Of every pair. What the atlas does not keep is computed by its run from its pictures, which are as the backbone
        saw them; weights are not downloaded for that.
    """
    kept = {pair: atlas.heatmap(*pair) for pair in sorted(set(pairs))}
    maps = {pair: heatmap for pair, heatmap in kept.items() if heatmap is not None}
    missing = [pair for pair, heatmap in kept.items() if heatmap is None]
    try:
        return HeatMaps(maps | _computed(atlas, missing, progress))
    except CytosaeError as error:
        return HeatMaps(maps | {pair: _strongest_patch(atlas, *pair) for pair in missing}, error.message)


def _computed(atlas: Atlas, pairs: Sequence[Pair], progress: Progress) -> dict[Pair, NDArray[np.float32]]:
    if not pairs:
        return {}
    from cytosae_toolkit.explore.explorer import Explorer

    latents = defaultdict(list)
    for latent, row in pairs:
        latents[row].append(latent)
    found: dict[Pair, NDArray[np.float32]] = {}
    explorer, rows = Explorer(atlas, offline=True), sorted(latents)
    with progress.task("Computing heat maps", len(rows), "images") as task:
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            pictures = [_picture(atlas, row) for row in part]
            for row, image in zip(part, explorer.read_all(pictures, [str(row) for row in part]), strict=True):
                found |= {(latent, row): explorer.heatmap(latent, image=image) for latent in latents[row]}
                task.advance()
    return found


def _picture(atlas: Atlas, row: int) -> NDArray[np.uint8]:
    picture = atlas.picture(row)
    if picture is None:
        raise CytosaeError(f"{atlas.path} has no pictures.", "Build an atlas from images with `atlas build`.")
    return picture


def _strongest_patch(atlas: Atlas, latent: int, row: int) -> NDArray[np.float32]:
    """Return a heat map of the strongest patch alone, which the atlas keeps of every active image."""
    flat = np.zeros(atlas.grid[0] * atlas.grid[1], dtype=np.float32)
    entries = atlas.media.entries(latent, latent + 1)
    at = int(np.searchsorted(entries.rows, row))
    if entries.peak[at] >= 0:
        flat[entries.peak[at]] = entries.max[at]
    return flat.reshape(atlas.grid)
