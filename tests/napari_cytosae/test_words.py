"""Plain words."""

from __future__ import annotations

import pytest

from napari_cytosae._words import plain_words


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
