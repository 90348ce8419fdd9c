"""The paper's second expert protocol: whether an expert recognises the latents that tell two groups apart.

The top 10 and the top 50 latents each way (the 50 contain the 10) are shown in random order by reference images from
the group in which each is higher, with the patches that light up. Which group that is, rank and numbers are hidden. For
each the expert says whether it is something recognisable, and for which of the groups it would speak.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.review import FORM_FILE, KEY_FILE, check_out
from cytosae_toolkit.atlas.review_form import (
    MEANING,
    MEANING_HINT,
    FormItem,
    Question,
    form_id,
    highlighted,
    render_form,
)
from cytosae_toolkit.cohort.comparison_references import LatentReferences, comparison_references
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder, write_json, write_text
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.cohort.comparison import Comparison

KEY_FORMAT, KEY_VERSION = "cytosae-comparison-key", 1
FIRST = 10
"""The smaller of the two numbers of top latents."""

VERDICTS = ("a", "b", "either", "unrecognised", "artefact")
"""Answers; the first three say that something was recognised."""


@dataclass(frozen=True)
class ComparisonReview:
    """A review that was made.

    Parameters
    ----------
    form, key : Path
        The HTML file for the expert; the key, which the expert must not see.
    form_id : str
        By which answers find their key.
    n_a, n_b : int
        Latents higher in the first and in the second group.
    problem : str
        Why some heat maps show the strongest patch alone; ``""`` if none does.
    """

    form: Path
    key: Path
    form_id: str
    n_a: int
    n_b: int
    problem: str


def make_comparison_review(
    comparison: Comparison,
    atlas: Atlas,
    out: str | Path,
    *,
    images_per_latent: int = 9,
    seed: int = 0,
    force: bool = False,
    progress: Progress = SILENT,
) -> ComparisonReview:
    """Write a review: ``review.html`` for the expert and ``key.json``, which tells what its items are.

    Parameters
    ----------
    comparison : Comparison
        Its ``options.top`` (paper: 50) latents each way are shown.
    atlas : Atlas
        That the barcodes were made from.
    out : str or Path
        A new folder.
    images_per_latent : int
        Reference images at most, each of another cell.
    seed : int
        Of the order.
    force : bool
        Replace `out`, if it is a review.
    progress : Progress
        Whom to tell.

    Raises
    ------
    CytosaeError
        If `out` exists, the atlas does not fit, or no latent has a reference image.
    """
    out = Path(out)
    check_out(out, force=force)
    found = comparison_references(comparison, atlas, n_images=images_per_latent, progress=progress)
    items, facts = _items(comparison, found.latents, atlas, np.random.default_rng(seed))
    if not items:
        raise CytosaeError("No latent that tells the groups apart has a reference image.", "Nothing can be reviewed.")
    key = {
        "format": KEY_FORMAT,
        "version": KEY_VERSION,
        "sae_fingerprint": atlas.record["sae_fingerprint"],
        "barcodes": comparison.provenance["barcodes"],
        "groups": {"a": comparison.a.name, "b": comparison.b.name, "column": comparison.options.column},
        "seed": seed,
        "protocol": {"tops": _tops(comparison.options.top), "images_per_latent": images_per_latent},
        "items": facts,
    }
    form = form_id(key)
    html = render_form(form, items, {MEANING: _question(comparison)})
    if force and out.exists():
        shutil.rmtree(out)
    with atomic_folder(out) as folder:
        write_text(folder / FORM_FILE, html)
        write_json(folder / KEY_FILE, {"form": form, **key})
    n_a = sum(fact["higher_in"] == "a" for fact in facts.values())
    return ComparisonReview(out / FORM_FILE, out / KEY_FILE, form, n_a, len(facts) - n_a, found.problem)


def _tops(top: int) -> list[int]:
    return sorted({min(FIRST, top), top})


def _question(comparison: Comparison) -> Question:
    a, b = comparison.a.name, comparison.b.name
    return Question(
        f"Do the highlighted places show something recognisable, and would it speak for {a} or for {b}?",
        MEANING_HINT,
        tuple(
            zip(
                VERDICTS,
                (
                    f"Yes, for {a}", f"Yes, for {b}", "Yes, for either", "Nothing recognisable",
                    "Background, border, stain, focus",
                ),
                strict=True,
            )
        ),
    )  # fmt: skip


def _items(
    comparison: Comparison, references: list[LatentReferences], atlas: Atlas, rng: np.random.Generator
) -> tuple[list[FormItem], dict[str, dict[str, Any]]]:
    """Return the items in random order, and what each is."""
    shown = [entry for entry in references if len(entry.rows)]
    items, facts = [], {}
    for i in rng.permutation(len(shown)):
        entry = shown[i]
        item = FormItem(rng.bytes(4).hex(), MEANING, highlighted(_pictures(entry, atlas), entry.heatmaps))
        items.append(item)
        facts[item.id] = {
            "latents": list(entry.latents), "name": entry.name, "rank": entry.rank,
            "higher_in": "a" if entry.higher_in == comparison.a.name else "b",
        }  # fmt: skip
    return items, facts


def _pictures(entry: LatentReferences, atlas: Atlas) -> list[NDArray[np.uint8]]:
    pictures = [atlas.picture(int(row)) for row in entry.rows]
    return [picture for picture in pictures if picture is not None]
