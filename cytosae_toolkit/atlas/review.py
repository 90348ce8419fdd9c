"""The expert protocol: which latents are shown, what is mixed in, the form and its key.

Latents whose log10 of mean activation exceeds a threshold are clustered by mean activation and frequency, and a few are
drawn from each cluster (the paper: k = 10 clusters, 5 latents each). Decoys, latents of an untrained SAE, are mixed in.
The form shows neither numbers nor labels nor image sets, in random order; the key that tells what is what is apart.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.review_form import INTRUDER, MEANING, FormItem, form_id, highlighted, render_form
from cytosae_toolkit.atlas.search_fields import Fields
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder, write_json, write_text
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

KEY_FORMAT, KEY_VERSION = "cytosae-review-key", 1
FORM_FILE, KEY_FILE = "review.html", "key.json"


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


@dataclass(frozen=True)
class Review:
    """A review that was made.

    Parameters
    ----------
    form, key : Path
        The HTML file for the expert; the key, which the expert must not see.
    form_id : str
        By which answers find their key.
    n_latents, n_decoys, n_intruders : int
        Numbers of items: latents, decoys, and intruder tests of either.
    """

    form: Path
    key: Path
    form_id: str
    n_latents: int
    n_decoys: int
    n_intruders: int


def choose_latents(
    latents: pd.DataFrame,
    *,
    clusters: int = 10,
    per_cluster: int = 5,
    min_log10_mean: float = -3.0,
    seed: int = 0,
    hidden: bool = False,
) -> pd.DataFrame:
    """Draw latents for an expert: threshold, KMeans on standardised (mean activation, frequency), some of each cluster.

    Parameters
    ----------
    latents : pandas.DataFrame
        As `Atlas.latents`; the index is the latent.
    clusters, per_cluster : int
        Clusters, and latents drawn from each; a smaller cluster gives all it has.
    min_log10_mean : float
        log10 of the mean activation that must be exceeded.
    seed : int
        Of clustering and drawing.
    hidden : bool
        Draw flagged latents too.

    Returns
    -------
    pandas.DataFrame
        Columns ``latent, cluster``, by latent.

    Raises
    ------
    CytosaeError
        If no latent exceeds the threshold.
    """
    fields = Fields(latents)
    eligible = fields.number("log10mean") > min_log10_mean
    if not hidden:
        eligible &= ~fields.flagged
    rows = np.flatnonzero(eligible)
    if not len(rows):
        raise CytosaeError(
            f"No{'' if hidden else ' unflagged'} latent has a log10 of mean activation above {min_log10_mean:g}.",
            "Lower --min-log10-mean.",
        )
    found = _clusters(
        np.stack([fields.number(c)[rows] for c in ("mean_activation", "frequency")], axis=1), clusters, seed
    )
    rng = np.random.default_rng(seed)
    drawn = [
        (int(fields.numbers[row]), cluster)
        for cluster in range(found.max() + 1)
        for members in [rows[found == cluster]]
        for row in rng.choice(members, min(per_cluster, len(members)), replace=False)
    ]
    return pd.DataFrame(sorted(drawn), columns=["latent", "cluster"])


def _clusters(points: NDArray[np.float64], clusters: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans

    spread = points.std(axis=0)
    standardised = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    k = min(clusters, len(np.unique(standardised, axis=0)))
    return np.asarray(KMeans(k, n_init=10, random_state=seed).fit_predict(standardised), dtype=np.int64)


def make_review(
    atlas: Atlas,
    out: Path,
    *,
    clusters: int = 10,
    per_cluster: int = 5,
    min_log10_mean: float = -3.0,
    seed: int = 0,
    hidden: bool = False,
    decoys: Sequence[DecoyLatent] = (),
    intruder: bool = False,
    images_per_latent: int = 9,
    force: bool = False,
    progress: Progress = SILENT,
) -> Review:
    """Write a review: ``review.html`` for the expert and ``key.json``, which tells what its items are.

    Parameters
    ----------
    atlas : Atlas
        With images.
    out : Path
        A new folder.
    clusters, per_cluster, min_log10_mean, seed, hidden
        See `choose_latents`; `seed` also draws the order and the intruders.
    decoys : sequence of DecoyLatent
        Mixed in; see `untrained_decoys`.
    intruder : bool
        Begin with an intruder test of each latent and decoy: its references and one picture on which it is silent
        (or, if it fires on all, weak).
    images_per_latent : int
        References shown at most.
    force : bool
        Replace `out`, if it is a review.
    progress : Progress
        Whom to tell.

    Returns
    -------
    Review
        Where it lies and what it holds.

    Raises
    ------
    CytosaeError
        If the atlas has no images, no latent qualifies, or `out` exists.
    """
    out = Path(out)
    check_out(out, force=force)
    if not atlas.has_images:
        raise CytosaeError(f"{atlas.path} has no images to show.", "Build an atlas from images with `atlas build`.")
    options = {"clusters": clusters, "per_cluster": per_cluster, "min_log10_mean": min_log10_mean, "hidden": hidden}
    chosen = choose_latents(
        atlas.latents,
        clusters=clusters,
        per_cluster=per_cluster,
        min_log10_mean=min_log10_mean,
        seed=seed,
        hidden=hidden,
    )
    items, facts = _items(atlas, chosen, decoys, intruder, images_per_latent, seed, progress)
    key = {
        "format": KEY_FORMAT,
        "version": KEY_VERSION,
        "atlas": atlas.path.name,
        "sae_fingerprint": atlas.record["sae_fingerprint"],
        "seed": seed,
        "protocol": {**options, "images_per_latent": images_per_latent, "intruder": intruder, "n_decoys": len(decoys)},
        "items": facts,
    }
    form = form_id(key)
    html = render_form(form, items)
    if force and out.exists():
        shutil.rmtree(out)
    with atomic_folder(out) as folder:
        write_text(folder / FORM_FILE, html)
        write_json(folder / KEY_FILE, {"form": form, **key})
    n_intruders = sum(item.kind == INTRUDER for item in items)
    return Review(out / FORM_FILE, out / KEY_FILE, form, len(chosen), len(decoys), n_intruders)


def check_out(out: Path, *, force: bool) -> None:
    """Refuse a folder that holds anything, but for a review that is to be replaced.

    Raises
    ------
    CytosaeError
        If it exists and `force` is not given, or it is no review.
    """
    if not out.exists():
        return
    if not (out / KEY_FILE).is_file() or {path.name for path in out.iterdir()} - {FORM_FILE, KEY_FILE}:
        raise CytosaeError(f"{out} exists and is not a review, or holds more than one.", "Choose another --out.")
    if not force:
        raise CytosaeError(f"The review {out} exists.", "Choose another --out, or replace it with --force.")


def _items(
    atlas: Atlas,
    chosen: pd.DataFrame,
    decoys: Sequence[DecoyLatent],
    intruder: bool,
    n_images: int,
    seed: int,
    progress: Progress,
) -> tuple[list[FormItem], dict[str, dict[str, Any]]]:
    """Return the items in random order, intruder tests first, and what each is."""
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
) -> Any:
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
