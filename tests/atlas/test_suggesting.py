from __future__ import annotations

import pandas as pd
import pytest

from cytosae_toolkit.atlas.searching import search
from cytosae_toolkit.atlas.suggesting import piece_at, suggest


@pytest.fixture
def latents() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "mean_activation": [1.0, 2.0, 3.0, 4.0],
            "label_entropy": [1.0, 2.0, 3.0, 4.0],
            "dominant_label": ["eosinophil", "blast", "band neutrophil", ""],
            "name": ["granules", "Auer rods", "Auer rods", ""],
            "verdict": "",
            "flag_colour": False,
        }
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("ent", ["entropy<"]),
        ("lab", ["label:", "label_entropy>"]),
        ("label:eo", ["label:eosinophil"]),
        ("blast -label:ba", ['-label:"band neutrophil"']),
        ('label:"band n', ['label:"band neutrophil"']),
        ("label=", ['label="band neutrophil"', "label=blast", "label=eosinophil"]),
        ("au", ['"Auer rods"']),
        ("rods", ['"Auer rods"']),
        ('"auer r', ['"Auer rods"']),
        ("name:", ['name:"Auer rods"', "name:granules"]),
        ("-fl", ["-flag:"]),
        ("flag:p", ["flag:position"]),
        ("verdict:c", ["verdict:concept", "verdict:artefact", "verdict:unclear"]),
        ("named:", ["named:yes", "named:no"]),
        ("flag_colour:", ["flag_colour:yes", "flag_colour:no"]),
        ("mean>", []),
        ("(gr", ["granules"]),
        ("wrong:", []),
    ],
)
def test_what_is_offered(latents, text, expected):
    assert suggest(latents, text) == expected


def test_the_piece_at_the_cursor_is_completed(latents):
    text = 'blast (label:"band n" OR gra) mean>1'
    assert piece_at(text, text.index(")")) == (text.index("gra"), "gra")
    assert suggest(latents, text, text.index(")")) == ["granules"]
    assert piece_at(text, text.index(" n") + 2) == (7, 'label:"band n')
    assert piece_at(text, 6) == (6, "")
    assert piece_at("", 0) == (0, "")


def test_what_is_offered_for_text_and_choices_can_be_searched(latents):
    for text in ("label:", "name:", "au", "verdict:", "flag:", "named:", "bla"):
        for offered in suggest(latents, text):
            search(latents, offered)
