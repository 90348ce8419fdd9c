from __future__ import annotations

import numpy as np

from cytosae_toolkit.atlas.describing import control_card, flags_of, set_text, short_text, statistics_of

LATENT = {
    "mean_activation": 0.01234, "frequency": 0.5, "n_images": 1234, "label_entropy": 0.5,
    "label_entropy_shuffled": 1.5, "dominant_label": "blast", "dominant_share": 0.75, "n_reference_patients": 0,
    "colour_r2": 0.7, "set_auroc": 0.9, "set_auroc_set": "a", "reproducibility": np.nan, "flag_colour": True,
    "flag_few_cells": np.bool_(True), "flag_set": np.bool_(False),
}  # fmt: skip


def test_what_is_known_is_said_in_words():
    assert statistics_of(LATENT) == {
        "mean activation": "0.0123",
        "frequency": "50 %",
        "images": "1,234",
        "label entropy": "0.5 (1.5 under shuffled labels)",
        "dominant label": "blast, 75 % of the activation of the references",
    }


def test_the_control_card_leaves_out_what_is_undefined():
    assert control_card(LATENT) == {"R² from colour": "0.7", "AUROC of image set": "0.9 (a)"}
    assert flags_of(LATENT) == ["colour", "few-cells"]


def test_few_references_have_a_label_without_share_and_no_entropy():
    latent = {"mean_activation": 0.1, "frequency": 0.1, "label_entropy": np.nan, "published_entropy": 0.4,
              "dominant_label": "blast", "dominant_share": np.nan}  # fmt: skip
    found = statistics_of(latent)
    assert found["dominant label"] == "blast"
    assert found["label entropy"] == "undefined (published: 0.4)"
    assert short_text(latent) == "mean 0.1, on 10 %\nblast"


def test_the_control_card_says_what_exceeds_its_limit():
    limits = {"colour_r2": 0.25, "position_r2": 0.5, "set_auroc": 0.9, "border_share": 0.7, "min_groups": 10}
    latent = LATENT | {"position_r2": 0.6, "border_share": 0.1, "flag_position": False}
    assert control_card(latent, limits) == {
        "R² from colour": "0.7, limit 0.25: flagged",
        "R² from patch position": "0.6, limit 0.5: above it, but other photographs of the cells confirm the latent",
        "share in the border": "0.1, limit 0.7",
        "AUROC of image set": "0.9 (a), limit 0.9",
    }


def test_a_set_is_described_by_its_own_references():
    known = {"mean_activation": 0.1, "frequency": 0.25, "label_entropy": 0.5, "label": "monocyte", "n_of_label": 2,
             "n_labelled": 3}  # fmt: skip
    assert set_text(known) == "mean 0.1, on 25 % there\nlabel entropy 0.50\nmonocyte 2 of 3"
    assert set_text(known | {"label": "", "label_entropy": np.nan}) == "mean 0.1, on 25 % there"
