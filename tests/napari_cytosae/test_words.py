"""Plain words."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import explain_disk_errors
from napari_cytosae._words import called, plain_words, spoken


@pytest.mark.parametrize(
    ("engine", "screen"),
    [
        ("Latent 7 is active on no image of the atlas.", "Concept 7 is active on no image of the atlas."),
        ("There is no latent 9999 among these 96.", "There is no concept 9999 among these 96."),
        ("Comparing latents (images)", "Comparing concepts (images)"),
        ("The atlas is of another SAE.", "The atlas is of another model."),
        (
            "No file /a/latents.csv, /a/latent/b or latent-7.png.",
            "No file /a/latents.csv, /a/latent/b or latent-7.png.",
        ),
    ],
)
def test_the_fields_terms_become_plain(engine, screen):
    assert plain_words(engine) == screen


def test_a_full_disk_is_told_without_words_of_the_terminal():
    with pytest.raises(CytosaeError) as raised, explain_disk_errors(Path("a.json")):
        raise OSError(errno.ENOSPC, "full")
    assert spoken(raised.value) == (
        "The disk is full: a.json could not be written; what was complete before is kept. "
        "Free some space and do the same again."
    )


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("Choose a latent below 96.", " Choose a concept below 96."),
        ("Lower --batch-tokens or --expansion.", ""),
        ("Build one with `cytosae-toolkit atlas build RUN IMAGES`.", ""),
        ("Go on with: train … --resume.", ""),
        (None, ""),
    ],
)
def test_advice_for_a_terminal_is_left_out(hint, said):
    assert spoken(CytosaeError("No latent fits.", hint)) == f"No concept fits.{said}"


def test_a_concept_is_called_by_its_name_and_number():
    assert (called(7, ""), called(7, "Auer rods")) == ("candidate concept 7", "Auer rods (7)")
