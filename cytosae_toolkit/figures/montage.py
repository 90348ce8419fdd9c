"""Reference images of latents of an atlas with the patches that light up (figure 2B of the paper)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cytosae_toolkit.atlas.describing import set_text, short_text
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.figures.references import LatentRow, stacked_montage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cytosae_toolkit.atlas.reading import Atlas, Reference

_CAPTION_WIDTH = 16
_KINDS = {"top": "", "typical": "random, weakest quarter first", "miss": "near misses: silent there"}


def latent_montage(
    atlas: Atlas,
    latents: Sequence[int],
    *,
    kinds: Sequence[str] = ("top",),
    sets: Sequence[str] | None = None,
    limit: int = 12,
) -> Figure:
    """Draw two lines per latent: reference images, and what the latent sees of each.

    Parameters
    ----------
    atlas : Atlas
        With images.
    latents : sequence of int
        At least one.
    kinds : sequence of str
        ``"top"``, ``"typical"``, ``"miss"``: each its own row.
    sets : sequence of str, optional
        For each of these image sets a row of its own best references; default one row over all.
    limit : int
        Images per row at most.

    Raises
    ------
    CytosaeError
        If the atlas has no images, or a latent, set or kind does not exist.
    """
    rows = montage_rows(atlas, latents, kinds=kinds, sets=sets, limit=limit)
    return stacked_montage(rows, footer="Orange: where the latent is active, on one scale per row.")


def montage_rows(
    atlas: Atlas,
    latents: Sequence[int],
    *,
    kinds: Sequence[str] = ("top",),
    sets: Sequence[str] | None = None,
    limit: int = 12,
    without: Collection[str] = (),
) -> list[LatentRow]:
    """Return what `latent_montage` draws, without the images of some groups."""
    if not atlas.has_images:
        raise CytosaeError(
            f"The atlas {atlas.path} has no images: it was made from published statistics.",
            "Build one with `cytosae-toolkit atlas build RUN IMAGES`.",
        )
    table = atlas.latents
    return [
        _row(atlas, latent, dict(table.loc[latent]), found, kind, name)
        for latent, kind, name, found in _chosen(atlas, latents, kinds, sets, limit, without)
    ]


def montage_numbers(
    atlas: Atlas,
    latents: Sequence[int],
    *,
    kinds: Sequence[str] = ("top",),
    sets: Sequence[str] | None = None,
    limit: int = 12,
) -> pd.DataFrame:
    """Return one line per image shown: latent, kind, set asked for, rank from 0, and the reference's fields."""
    lines = [
        {
            "latent": latent, "kind": kind, "of_set": name or "", "rank": rank, "id": reference.id,
            "set": reference.set, "label": reference.label or "", "patient": reference.patient or "",
            "group": reference.group, "value": reference.value, "peak": reference.peak,
        }
        for latent, kind, name, found in _chosen(atlas, latents, kinds, sets, limit)
        for rank, reference in enumerate(found)
    ]  # fmt: skip
    columns = ["latent", "kind", "of_set", "rank", "id", "set", "label", "patient", "group", "value", "peak"]
    return pd.DataFrame(lines, columns=columns)


def _chosen(
    atlas: Atlas,
    latents: Sequence[int],
    kinds: Sequence[str],
    sets: Sequence[str] | None,
    limit: int,
    without: Collection[str] = (),
) -> Iterator[tuple[int, str, str | None, list[Reference]]]:
    """Yield what each row of a montage shows: latent, kind, set asked for, references."""
    for latent in map(atlas.check_latent, latents):
        for kind, name in kinds_and_sets(kinds, sets):
            known = atlas.references(latent, kind=kind, set=name, limit=None if without else limit)
            yield latent, kind, name, [reference for reference in known if reference.group not in without][:limit]


def kinds_and_sets(kinds: Sequence[str], sets: Sequence[str] | None) -> list[tuple[str, str | None]]:
    """Pair kinds with sets.

    Raises
    ------
    CytosaeError
        If sets are given for another kind than ``"top"``: only the best references are kept per set.
    """
    other = [kind for kind in kinds if kind != "top"]
    if sets and other:
        raise CytosaeError(
            f"Images of the kind {other[0]!r} are kept over all sets only.", "Ask for the sets without this kind."
        )
    named: Sequence[str | None] = sets or [None]
    return [(kind, name) for kind in kinds for name in named]


def _row(
    atlas: Atlas, latent: int, statistics: Mapping[str, Any], found: Sequence[Reference], kind: str, name: str | None
) -> LatentRow:
    empty = np.zeros(atlas.grid, dtype=np.float32)
    shown = [(reference, picture) for reference in found if (picture := atlas.picture(reference.row)) is not None]
    heatmaps = [atlas.heatmap(latent, reference.row) for reference, _ in shown]
    title = f"latent {latent}" + (f": {statistics['name']}" if statistics.get("name") else "")
    about = _KINDS[kind] or (f"best of {name}" if name else "")
    known = short_text(statistics) if name is None else set_text(atlas.statistics_in_set(latent, name))
    text = "\n".join(line for line in (about, known, "" if shown else "no such images") if line)
    return LatentRow(
        title,
        text,
        [picture for _, picture in shown],
        [(empty if heatmap is None else heatmap).reshape(-1) for heatmap in heatmaps],
        [atlas.patch_boxes()] * len(shown),
        [_caption(reference) for reference, _ in shown],
    )


def _caption(reference: Reference) -> str:
    value = f"{reference.value:.3g}" if reference.value > 0 else "silent"
    name = (reference.label or reference.id).replace("_", " ")
    return f"{fill(name, _CAPTION_WIDTH, max_lines=2, placeholder='…')}\n{value}"
