from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from scipy.stats import binomtest

from cytosae_toolkit.atlas.review_result import wilson_interval
from cytosae_toolkit.cohort.comparison_answers import read_comparison_review
from cytosae_toolkit.errors import CytosaeError

HEADER = "form,item,verdict,choice,name,note,seconds,reviewer\n"
VERDICTS = {
    "a1": "a", "a2": "a", "a3": "either", "a11": "b", "a12": "unrecognised", "a13": "",
    "b1": "b", "b2": "artefact", "b3": "B", "b11": "unrecognised",
}  # fmt: skip


@pytest.fixture
def key(tmp_path: Path) -> Path:
    items = {
        item: {"latents": [i], "name": "", "rank": int(item[1:]), "higher_in": item[0]}
        for i, item in enumerate(VERDICTS)
    }
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps(
            {
                "form": "abc", "format": "cytosae-comparison-key", "version": 1, "sae_fingerprint": "f00d",
                "groups": {"a": "M3", "b": "healthy", "column": "disease"}, "protocol": {"tops": [10, 50]},
                "items": items,
            }
        )
    )  # fmt: skip
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text(HEADER + "".join(f"abc,{item},{v},,a name,,2,Dr. K\n" for item, v in VERDICTS.items() if v))
    return path


def test_the_recognised_and_the_rightly_assigned_are_counted(answers, key):
    result = read_comparison_review(answers, key)
    found = {(r.top, r.direction): r for r in result.tops}
    assert list(found) == [(10, "both"), (10, "a"), (10, "b"), (50, "both"), (50, "a"), (50, "b")]
    first = found[10, "both"]
    assert (first.n, first.answered, first.recognised, first.artefact) == (6, 6, 5, 1)
    assert (first.low, first.high) == wilson_interval(5, 6)
    assert first.share == pytest.approx(5 / 6)
    assert (first.assigned, first.right) == (4, 4)
    assert first.p == pytest.approx(binomtest(4, 4).pvalue)
    whole = found[50, "both"]
    assert (whole.n, whole.answered, whole.recognised, whole.assigned, whole.right) == (10, 9, 6, 5, 4)
    assert (found[50, "a"].n, found[50, "a"].right, found[50, "a"].assigned) == (6, 2, 3)
    assert result.reviewer == "Dr. K"
    assert json.dumps(result.to_dict()["items"][0])


def test_no_answers_have_no_share(tmp_path, key):
    empty = tmp_path / "empty.csv"
    empty.write_text(HEADER + "abc,a1,,,,,0,\n")
    first = read_comparison_review(empty, key).tops[0]
    assert first.answered == first.assigned == 0
    assert all(map(math.isnan, (first.share, first.low, first.high, first.p)))


def test_answers_of_something_else_are_refused(answers, key, tmp_path):
    result = read_comparison_review(answers, key)
    result.check(("M3", "healthy"), "f00d")
    with pytest.raises(CytosaeError, match="compares M3 with healthy, not healthy with M3"):
        result.check(("healthy", "M3"), "f00d")
    with pytest.raises(CytosaeError, match="about the SAE f00d, the barcodes about other"):
        result.check(("M3", "healthy"), "other")
    answers.write_text(HEADER + "other,a1,a,,,,1,\n")
    with pytest.raises(CytosaeError, match="Line 2 .* answers the form 'other'"):
        read_comparison_review(answers, key)
    answers.write_text(HEADER + "abc,a1,yes,,,,1,\n")
    with pytest.raises(CytosaeError, match="'yes' is no verdict"):
        read_comparison_review(answers, key)
    key.write_text(json.dumps({"format": "cytosae-review-key", "version": 1}))
    with pytest.raises(CytosaeError, match="is not the key of a review"):
        read_comparison_review(answers, key)
