"""The items of a review: what is shown of each latent or decoy, and what each item is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.review_form import INTRUDER, MEANING, FormItem, highlighted
from cytosae_toolkit.progress import Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas


@dataclass(frozen=True)
class DecoyLatent:
    """A latent of an untrained SAE, with the pictures that activate it most.

    Parameters
    ----------
    latent : int
        Its index; only recorded.
    pictures : sequence of uint8 array [H, W, 3]
        Best first.
    heatmaps : sequence of float array [rows, columns]
        Activation of each patch of each picture.
    intruder : uint8 array [H, W, 3], optional
        A picture on which it is silent, or at least weak; None if there is none.
    """

    latent: int
    pictures: Sequence[NDArray[np.uint8]]
    heatmaps: Sequence[NDArray[np.float32]]
    intruder: NDArray[np.uint8] | None = None


def review_items(
    atlas: Atlas,
    chosen: pd.DataFrame,
    decoys: Sequence[DecoyLatent],
    *,
    intruder: bool,
    n_images: int,
    seed: int,
    progress: Progress,
) -> tuple[list[FormItem], dict[str, dict[str, Any]]]:
    """Return the items in random order, intruder tests first, and what each is.

    Parameters
    ----------
    atlas : Atlas
        With images.
    chosen : pandas.DataFrame
        Latents to show, columns ``latent, cluster``.
    decoys : sequence of DecoyLatent
        Mixed in.
    intruder : bool
        Add an intruder test of each that has an intruder.
    n_images : int
        References shown at most.
    seed : int
        Decides intruders and order.
    progress : Progress
        Whom to tell.

    Returns
    -------
    list of FormItem, dict of str to dict
        The items; what each is, by its id.
    """
    rng = np.random.default_rng([seed, 1])
    shown: dict[str, list[tuple[FormItem, dict[str, Any]]]] = {INTRUDER: [], MEANING: []}
    with progress.task("Drawing latents", len(chosen) + len(decoys), "latents") as task:
        for subject, what in _subjects(atlas, chosen, decoys, n_images, rng):
            shown[MEANING].append(_meaning_item(subject, what, n_images, rng))
            if intruder and subject.intruder is not None and len(subject.pictures) > 1:
                shown[INTRUDER].append(_intruder_item(subject, what, n_images, rng))
            task.advance()
    ordered = [entries[i] for entries in shown.values() for i in rng.permutation(len(entries))]
    return [item for item, _ in ordered], {item.id: facts for item, facts in ordered}


def _subjects(
    atlas: Atlas, chosen: pd.DataFrame, decoys: Sequence[DecoyLatent], n_images: int, rng: np.random.Generator
) -> Iterator[tuple[DecoyLatent, dict[str, Any]]]:
    for latent, cluster in chosen.itertuples(index=False):
        yield _subject(atlas, int(latent), n_images, rng), {"latent": int(latent), "cluster": int(cluster)}
    for decoy in decoys:
        yield decoy, {"decoy": int(decoy.latent)}


def _subject(atlas: Atlas, latent: int, n_images: int, rng: np.random.Generator) -> DecoyLatent:
    """Return a latent of the atlas in the form of a decoy: what is shown of either."""
    pictures, heatmaps, groups = [], [], set()
    for reference in atlas.references(latent)[:n_images]:
        picture, heatmap = atlas.picture(reference.row), atlas.heatmap(latent, reference.row)
        if picture is not None and heatmap is not None:
            pictures.append(picture)
            heatmaps.append(heatmap)
            groups.add(str(reference.group))
    return DecoyLatent(latent, pictures, heatmaps, _silent_picture(atlas, latent, groups, rng))


def _silent_picture(atlas: Atlas, latent: int, groups: set[str], rng: np.random.Generator) -> NDArray[np.uint8] | None:
    others = np.flatnonzero(~atlas.images["group"].astype(str).isin(groups).to_numpy())
    means = np.zeros(len(atlas.images))
    rows, values = atlas.column(latent)
    means[rows] = values
    return atlas.picture(int(others[draw_weak(means[others], rng)])) if len(others) else None


def draw_weak(means: NDArray[np.floating[Any]], rng: np.random.Generator) -> int:
    """Draw an image on which a latent is silent, or, if it is silent on none, from the weakest tenth.

    Parameters
    ----------
    means : float array [n]
        m_i of the images to draw from; at least one.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    int
        Place in `means`.
    """
    silent = np.flatnonzero(means == 0)
    weakest = np.argsort(means, kind="stable")[: max(1, len(means) // 10)]
    return int(rng.choice(silent if len(silent) else weakest))


def _meaning_item(
    subject: DecoyLatent, what: dict[str, Any], n_images: int, rng: np.random.Generator
) -> tuple[FormItem, dict[str, Any]]:
    pairs = highlighted(subject.pictures[:n_images], subject.heatmaps[:n_images])
    return FormItem(_new_id(rng), MEANING, pairs), {"kind": MEANING, **what}


def _intruder_item(
    subject: DecoyLatent, what: dict[str, Any], n_images: int, rng: np.random.Generator
) -> tuple[FormItem, dict[str, Any]]:
    pictures = [*subject.pictures[:n_images], subject.intruder]
    order = rng.permutation(len(pictures))
    facts = {"kind": INTRUDER, **what, "n_pictures": len(pictures), "intruder": int(np.argmax(order)) + 1}
    return FormItem(_new_id(rng), INTRUDER, [[pictures[i]] for i in order]), facts


def _new_id(rng: np.random.Generator) -> str:
    return rng.bytes(4).hex()
