"""The form of a review: one HTML file with everything in it, and nothing that tells what an item is."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.figures.heat import tint

MEANING, INTRUDER = "meaning", "intruder"

_QUALITY = 82


@dataclass(frozen=True)
class Question:
    """What is asked about every item of a kind.

    Parameters
    ----------
    title, hint : str
        The question, and below it what is seen and how to answer.
    verdicts : sequence of (str, str)
        Answers to choose from, none for an intruder test: what the CSV says, and what the expert reads.
    """

    title: str
    hint: str
    verdicts: Sequence[tuple[str, str]] = ()


MEANING_HINT = (
    "Each cell is shown twice: as it is, and with the places that matter in orange. White and red cells count. "
    "Click a picture to enlarge it."
)
CONCEPT_QUESTIONS = {
    MEANING: Question(
        "Do the highlighted places have something in common, in most of the pictures?",
        MEANING_HINT,
        (
            ("yes", "Yes: one thing in the cells"),
            ("artefact", "Background, border, stain, focus"),
            ("no", "No: nothing in common"),
            ("unsure", "Unsure"),
        ),
    ),
    INTRUDER: Question(
        "Which picture does not belong to the others?",
        "All but one were chosen for the same reason. Click the odd one, or press its number (0 for 10).",
    ),
}
"""Of the form that asks what latents mean."""


@dataclass(frozen=True)
class FormItem:
    """One question of a form.

    Parameters
    ----------
    id : str
        Says nothing about what it shows.
    kind : str
        ``"meaning"``: have the pictures something in common? ``"intruder"``: which does not belong?
    pictures : sequence of sequence of uint8 array [H, W, 3]
        For meaning, each picture and its highlighted version; for intruder, single pictures.
    """

    id: str
    kind: str
    pictures: Sequence[Sequence[NDArray[np.uint8]]]


def highlighted(
    pictures: Sequence[NDArray[np.uint8]], heatmaps: Sequence[NDArray[np.floating[Any]]]
) -> list[list[NDArray[np.uint8]]]:
    """Return each picture beside its grey version with active patches in orange, on one scale for all.

    Parameters
    ----------
    pictures : sequence of uint8 array [H, W, 3]
        As the backbone saw them: patches are a regular grid over each.
    heatmaps : sequence of float array [rows, columns]
        Activation of each patch of each picture.
    """
    strongest = max((float(heatmap.max()) for heatmap in heatmaps), default=0.0) or 1.0
    return [
        [picture, tint(picture, heatmap.ravel() / strongest, grid_boxes(picture.shape, heatmap.shape))]
        for picture, heatmap in zip(pictures, heatmaps, strict=True)
    ]


def grid_boxes(shape: tuple[int, ...], grid: tuple[int, ...]) -> NDArray[np.float64]:
    """Return ``x0, y0, x1, y1`` of each cell of a regular grid over a picture, float64 [cells, 4], row-major."""
    y, x = np.linspace(0, shape[0], grid[0] + 1), np.linspace(0, shape[1], grid[1] + 1)
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    return np.stack([x[columns], y[rows], x[columns + 1], y[rows + 1]], axis=1)


def render_form(form: str, items: Sequence[FormItem], questions: Mapping[str, Question] = CONCEPT_QUESTIONS) -> str:
    """Return the HTML of a form.

    Parameters
    ----------
    form : str
        Id of the form, by which answers find their key.
    items : sequence of FormItem
        In the order shown.
    questions : mapping of str to Question
        By kind of item.
    """
    data = {
        "form": form,
        "questions": {kind: asdict(question) for kind, question in questions.items()},
        "items": [
            {"id": item.id, "kind": item.kind, "pictures": [[data_uri(p) for p in pair] for pair in item.pictures]}
            for item in items
        ],
    }
    template = files("cytosae_toolkit.atlas").joinpath("review_form.html").read_text(encoding="utf-8")
    return template.replace("__DATA__", json.dumps(data).replace("<", "\\u003c"))


def data_uri(picture: NDArray[np.uint8]) -> str:
    """Return a picture as a data URI: WebP without metadata."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def form_id(key: Any) -> str:
    """Return the id of the form that belongs to a key: 12 hexadecimal digits of its hash."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:12]
