from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from cytosae_toolkit.atlas.review_answers import read_answers, read_key, seconds_of
from cytosae_toolkit.errors import CytosaeError

RECORD = {"form": "abc", "items": {"x": {}, "y": {}}}


def answered(tmp_path: Path, *lines: str):
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(["form,item,verdict,choice,reviewer", *lines]))
    return read_answers(path, tmp_path / "key.json", RECORD, ("yes", "no"))


def test_answers_by_item_and_who_gave_them(tmp_path):
    found = answered(tmp_path, "abc, y ,YES,3,", "abc,x,,,Dr. K")
    assert found.reviewer == "Dr. K"
    assert {item: given["verdict"] for item, given in found.items.items()} == {"y": "yes", "x": ""}
    assert found.items["y"]["choice"] == "3"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("other,x,yes,,", "Line 2 .* answers the form 'other'"),
        ("abc,z,yes,,", "no item 'z'"),
        ("abc,x,maybe,,", r"'maybe' is no verdict \(yes, no\)"),
        ("abc,x,yes,one,", "'one' is no number"),
    ],
)
def test_a_line_that_cannot_be_understood_is_named(tmp_path, line, problem):
    with pytest.raises(CytosaeError, match=problem):
        answered(tmp_path, line)


def test_an_item_answered_twice_is_refused(tmp_path):
    with pytest.raises(CytosaeError, match="Line 3 .* 'x' comes twice"):
        answered(tmp_path, "abc,x,yes,,", "abc,x,no,,")


def test_a_key_is_of_one_format_and_version(tmp_path):
    path = tmp_path / "key.json"
    path.write_text(json.dumps({"format": "some-key", "version": 2}))
    assert read_key(path, "some-key", 2)["version"] == 2
    with pytest.raises(CytosaeError, match="is not the key"):
        read_key(path, "other-key", 2)
    with pytest.raises(CytosaeError, match="format version 2, this program reads 1"):
        read_key(path, "some-key", 1)


def test_seconds_with_a_comma_and_none():
    assert seconds_of("1,5") == 1.5
    assert math.isnan(seconds_of(""))
