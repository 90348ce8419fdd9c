"""What commands share: pairs, JSON."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cytosae_toolkit.cli.common import note, parse_pairs, print_json, say, stdout_console, to_json, warn
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.specs import Options


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: float
    path: Path


def test_pairs_are_split_at_the_first_equals_sign() -> None:
    assert parse_pairs(["a=1", "b-c=x=y", " d=", "e= z"], "-B") == {"a": "1", "b_c": "x=y", "d": "", "e": " z"}
    assert parse_pairs(None, "-B") == {}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["model"], "-B 'model' is not of the form key=value. Write -B key=value."),
        (["=3"], "-B '=3' is not of the form"),
        (["a=1", "a=2"], "-B gives 'a' twice: '1' and '2'."),
    ],
)
def test_wrong_pairs_are_named(pairs: list[str], message: str) -> None:
    with pytest.raises(CytosaeError) as caught:
        parse_pairs(pairs, "-B")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("inf"), None),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (torch.tensor([1, 2]), [1, 2]),
        (Path("a/b"), "a/b"),
        (Point(1.5, Path("p")), {"x": 1.5, "path": "p"}),
        (Colour.RED, "red"),
        ({1: (True, None)}, {"1": [True, None]}),
        (datetime.date(2025, 3, 1), "2025-03-01"),
        (Options(), {}),
        ("ü", "ü"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_become_json(value: Any, expected: Any) -> None:
    assert to_json(value) == expected


def test_unknown_values_are_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        to_json(object())


def test_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"l0": float("nan"), "names": ["é"]})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"l0": None, "names": ["é"]}
    assert captured.err == ""


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("result")
    note("aside")
    warn("careful")
    captured = capsys.readouterr()
    assert captured.out == "result\n"
    assert captured.err == "aside\nWarning: careful\n"


def test_tables_are_not_folded_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    stdout_console().print("word " * 30)
    assert capsys.readouterr().out.count("\n") == 1
