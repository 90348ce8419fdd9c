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
from typing import TYPE_CHECKING

from cytosae_toolkit.atlas.review_choice import choose_latents
from cytosae_toolkit.atlas.review_form import INTRUDER, form_id, render_form
from cytosae_toolkit.atlas.review_items import DecoyLatent, review_items
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder, write_json, write_text
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

KEY_FORMAT, KEY_VERSION = "cytosae-review-key", 1
FORM_FILE, KEY_FILE = "review.html", "key.json"


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
    items, facts = review_items(
        atlas, chosen, decoys, intruder=intruder, n_images=images_per_latent, seed=seed, progress=progress
    )
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
