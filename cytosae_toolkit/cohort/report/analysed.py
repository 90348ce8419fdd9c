"""What was analysed with what: the model, the atlas, the barcodes, the software."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.cohort.report.document import Name, Text
from cytosae_toolkit.cohort.report.formats import count, number, percent
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.cohort.report.inputs import Inputs
    from cytosae_toolkit.cohort.report.sources import FactSheet

Fact = tuple[str, Any, str]
"""Name, value, where it comes from."""


def common_facts(inputs: Inputs) -> list[Fact]:
    """Return the single numbers that every report says of its origin."""
    record, atlas = inputs.cohort.record, inputs.atlas.record
    here, there = str(inputs.path), str(inputs.atlas.path)
    facts: list[Fact] = [
        ("n_patients", len(inputs.cohort), f"{here} obs"),
        ("n_images", int(inputs.cohort.n_cells.sum()), f"{here} obs/n_cells"),
        ("n_columns", int(inputs.cohort.adata.n_vars), f"{here} var"),
        ("d_sae", inputs.atlas.d_sae, f"{there} record/d_sae"),
        ("layer", atlas.get("layer"), f"{there} record/layer"),
        ("threshold", record.get("threshold"), f"{here} record/threshold"),
        ("kept_share", record.get("kept_share"), f"{here} record/kept_share"),
        ("n_atlas_images", inputs.atlas.n_images, f"{there} record/sets"),
    ]
    for i, entry in enumerate(atlas.get("sets", [])):
        facts.append((f"set_images:{entry['name']}", entry["n_images"], f"{there} record/sets/{i}/n_images"))
    return [fact for fact in facts if fact[1] is not None]


def analysed(inputs: Inputs, facts: FactSheet) -> list[tuple[str, Text]]:
    """Return the model, the atlas, the barcodes and the software as terms and what is said of them."""
    return [
        ("Backbone", _backbone(inputs, facts)),
        ("Dictionary (SAE)", _dictionary(inputs, facts)),
        ("Atlas", _atlas(inputs, facts)),
        ("Barcodes", _barcodes(inputs, facts)),
        ("Software", _software(inputs)),
    ]


def _run_record(inputs: Inputs) -> dict[str, Any]:
    try:
        return dict(inputs.atlas.run.record)
    except CytosaeError:
        return {}


def _backbone(inputs: Inputs, facts: FactSheet) -> Text:
    plugin = (_run_record(inputs).get("plugins") or {}).get("backbone") or {}
    text: list[Any] = [_part(plugin), "the image model whose patches are read"]
    if "layer" in facts:
        text += [", layer ", facts.value("layer", count), " (counted from nought)"]
    return [*text, "; fingerprint ", _fingerprint(inputs.atlas.record.get("backbone_fingerprint"))]


def _part(plugin: dict[str, Any]) -> Name | str:
    if not plugin:
        return ""
    return Name(f"{plugin['name']} ({plugin['distribution']} {plugin.get('version', '')}), ")


def _dictionary(inputs: Inputs, facts: FactSheet) -> Text:
    plugin = (_run_record(inputs).get("plugins") or {}).get("sae") or {}
    return [
        _part(plugin), facts.value("d_sae", count), " latents from one training run; fingerprint ",
        _fingerprint(inputs.atlas.record.get("sae_fingerprint")),
    ]  # fmt: skip


def _atlas(inputs: Inputs, facts: FactSheet) -> Text:
    text: list[Any] = [Name(str(inputs.atlas.path), code=True), ", ", facts.value("n_atlas_images", count), " images: "]
    for i, name in enumerate(inputs.atlas.sets):
        key = f"set_images:{name}"
        text += [", " if i else "", Name(name), " "] + ([facts.value(key, count)] if key in facts else [])
    created = str(inputs.atlas.record.get("created") or "")
    return [*text, "; built ", Name(created)] if created else text


def _barcodes(inputs: Inputs, facts: FactSheet) -> Text:
    record = inputs.cohort.record
    text: list[Any] = [Name(str(inputs.path), code=True), ", ", facts.value("n_patients", count), " patients, "]
    text += [facts.value("n_images", count), " cells; "]
    aggregator = str((record.get("aggregator") or {}).get("name") or "")
    if "threshold" in facts:
        text += ["a patch counts if its activation exceeds τ = ", facts.value("threshold", number)]
        if "kept_share" in facts:
            text += [" (", facts.value("kept_share", percent), " of the activations do)"]
    else:
        text += ["aggregator ", Name(aggregator)]
    created = str(record.get("created") or "")
    text += ["; content ", _fingerprint(record.get("fingerprint"))]
    return [*text, "; made ", Name(created)] if created else text


def _software(inputs: Inputs) -> Text:
    software = inputs.cohort.record.get("software") or {}
    shown: Sequence[str] = ["cytosae-toolkit", "python", "torch", "timm", "numpy"]
    return [Name(", ".join(f"{name} {software[name]}" for name in shown if name in software) or "unknown")]


def _fingerprint(value: Any) -> Name:
    return Name(str(value or "unknown"), code=True)


WORDS: list[tuple[str, Text]] = [
    (
        "Latent",
        [
            "A pattern that the dictionary (a sparse autoencoder) found by itself in small patches of cell images, "
            "such as granules or a nuclear edge. It has a number; a name only where an expert gave one. “Mostly on "
            "blasts” says on which labelled cells it is strongest, not what it is."
        ],
    ),
    (
        "Barcode",
        ["One value per latent: on how many patches of a cell it is seen, on average over all cells of the patient."],
    ),
    (
        "Highlighted patches",
        ["Below each cell, in grey, the patches on which the latent is active: orange, the stronger the fuller."],
    ),
    (
        "Flags",
        [
            "Reasons for doubt: a latent that follows the colour of the stain, that sits at a fixed place of the "
            "picture, that tells image sets apart, or that is seen on few cells may be no morphology at all."
        ],
    ),
]  # fmt: skip
"""What a reader must know to read a report."""

FLAG_WORDS = {
    "colour": "follows stain colour", "position": "tied to a place in the picture", "set": "tells image sets apart",
    "few-cells": "few cells",
}  # fmt: skip


def flag_words(flags: str) -> list[str]:
    """Return flags, separated by spaces, in words."""
    return [FLAG_WORDS.get(flag, flag) for flag in flags.split()]


GENERAL_CAVEATS: list[Text] = [
    ["For research use only. Nothing here is a diagnosis, and nothing here was validated for one."],
    [
        "The latents come from one dictionary trained once; another training would divide what cells look like "
        "otherwise in part. Numbers of latents mean nothing outside this atlas."
    ],
    [
        "A latent shows what goes along with the value of a patient. It does not show a cause, and differences of "
        "staining, camera or preparation look like differences of disease."
    ],
]
