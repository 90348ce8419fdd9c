from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cytosae_toolkit.atlas.names import Annotations
from cytosae_toolkit.atlas.review_result import newcombe_interval, read_review, wilson_interval
from cytosae_toolkit.errors import CytosaeError

FINGERPRINT = "f00dfacef00dface"
HEADER = "form,item,verdict,choice,name,note,seconds,reviewer\n"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    items = {f"l{i}": {"kind": "meaning", "latent": 10 + i, "cluster": 0} for i in range(5)}
    items |= {f"d{i}": {"kind": "meaning", "decoy": i} for i in range(4)}
    items |= {f"o{i}": {"kind": "intruder", "latent": 10 + i, "n_pictures": 10, "intruder": 3} for i in range(3)}
    items |= {"e0": {"kind": "intruder", "decoy": 0, "n_pictures": 5, "intruder": 1}}
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps(
            {
                "form": "abc",
                "format": "cytosae-review-key",
                "version": 1,
                "sae_fingerprint": FINGERPRINT,
                "items": items,
            }
        )
    )
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(
        HEADER + "abc,l0,yes,,granules,pink,3.5,Dr. K\nabc,l1,yes,,granules,,1,Dr. K\nabc,l2,artefact,,,,1,Dr. K\n"
        "abc,l3,No,,,,1,Dr. K\nabc,l4,,,,,0,Dr. K\nabc,d0,no,,,,1,Dr. K\nabc,d1,unsure,,,,1,Dr. K\n"
        "abc,d2,yes,,,,1,Dr. K\n"
        "abc,o0,,3,,,1,Dr. K\nabc,o1,,4,,,1,Dr. K\nabc,o2,,,,,1,Dr. K\nabc,e0,,2,,,1,Dr. K\n"
    )
    return path


def test_latents_beside_decoys(answers, key):
    result = read_review(answers, key)
    assert (result.form, result.reviewer) == ("abc", "Dr. K")
    latents, decoys = result.latents, result.decoys
    assert (latents.n, latents.yes, latents.artefact, latents.no, latents.unsure, latents.unanswered) == (
        5, 2, 1, 1, 0, 1,
    )  # fmt: skip
    assert (decoys.n, decoys.yes, decoys.no, decoys.unsure, decoys.unanswered) == (4, 1, 1, 1, 1)
    assert latents.share == 0.5
    assert (latents.low, latents.high) == wilson_interval(2, 4)
    assert result.difference == pytest.approx(1 / 2 - 1 / 3)
    assert result.difference_low < 0 < result.difference_high
    assert result.fisher_p == pytest.approx(1.0)
    assert (result.intruders.n, result.intruders.unanswered, result.intruders.correct) == (3, 1, 1)
    assert (result.intruders.accuracy, result.intruders.chance) == (0.5, 0.1)
    assert (result.decoy_intruders.correct, result.decoy_intruders.chance) == (0, 0.2)
    assert result.unanswered == 3
    assert result.items.set_index("item").loc["l0", "seconds"] == 3.5


def test_it_can_be_printed_as_json(answers, key):
    found = json.loads(json.dumps(read_review(answers, key).to_dict(), default=lambda value: value.__dict__))
    assert found["latents"]["yes"] == 2
    items = {item["item"]: item for item in found["items"]}
    assert (items["l0"]["latent"], items["l0"]["decoy"], items["l0"]["correct"]) == (10, None, None)
    assert items["o1"]["correct"] is False


def test_nothing_answered_is_not_a_share_of_zero(answers, key):
    answers.write_text(HEADER)
    result = read_review(answers, key)
    assert math.isnan(result.latents.share)
    assert math.isnan(result.difference)
    assert math.isnan(result.fisher_p)
    assert math.isnan(result.intruders.accuracy)
    assert result.unanswered == 13


def test_answers_become_annotations(answers, key, tmp_path):
    names = Annotations(tmp_path / "names.jsonl", FINGERPRINT, d_sae=100)
    names.add(13, "kept")
    written = read_review(answers, key).annotate(names)
    assert [(a.latent, a.name, a.note, a.verdict, a.author) for a in written] == [
        (10, "granules", "pink", "concept", "Dr. K"),
        (11, "granules", "", "concept", "Dr. K"),
        (12, "", "", "artefact", "Dr. K"),
        (13, "kept", "", "mixed", "Dr. K"),
    ]
    names.undo()
    assert list(names.current()) == [13]
    assert {a.author for a in read_review(answers, key).annotate(names, "ra")} == {"ra"}
    with pytest.raises(CytosaeError, match="about the SAE f00dfacef00d"):
        read_review(answers, key).annotate(Annotations(None, "beef", d_sae=100))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("other,l0,yes,,,,1,\n", "Line 2 of .* answers the form 'other'"),
        ("abc,zz,yes,,,,1,\n", "no item 'zz'"),
        ("abc,l0,yes,,,,1,\nabc,l0,no,,,,1,\n", "Line 3 .* comes twice"),
        ("abc,l0,good,,,,1,\n", "'good' is no verdict"),
        ("abc,o0,,third,,,1,\n", "'third' is no number of a picture"),
    ],
)
def test_wrong_answers_are_refused_with_their_line(answers, key, rows, message):
    answers.write_text(HEADER + rows)
    with pytest.raises(CytosaeError, match=message):
        read_review(answers, key)


def test_wrong_files_are_refused(answers, key):
    with pytest.raises(CytosaeError, match="lacks the column"):
        answers.write_text("item\nl0\n")
        read_review(answers, key)
    record = json.loads(key.read_text())
    key.write_text(json.dumps(record | {"version": 2}))
    with pytest.raises(CytosaeError, match="format version 2"):
        read_review(answers, key)
    key.write_text("{}")
    with pytest.raises(CytosaeError, match="not the key of a review"):
        read_review(answers, key)


def test_wilson_against_published_values():
    # Newcombe 1998, Statistics in Medicine 17, 857: table I, method 3.
    for successes, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson_interval(29, 29)[1] == 1.0


def test_newcombe_against_published_values():
    # Newcombe 1998, Statistics in Medicine 17, 873: table II, method 10.
    for a, n_a, b, n_b, low, high in ((56, 70, 48, 80, 0.0524, 0.3339), (9, 10, 3, 10, 0.1705, 0.8090)):
        assert newcombe_interval(a, n_a, b, n_b) == pytest.approx((low, high), abs=5e-5)
