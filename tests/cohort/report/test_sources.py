from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from cytosae_toolkit.cohort.report import sources
from cytosae_toolkit.cohort.report.formats import count
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def folder(tmp_path) -> sources.TableFolder:
    (tmp_path / "t").mkdir()
    return sources.TableFolder(tmp_path / "t", tmp_path / "t", tmp_path / "r.html", "make it")


def test_a_table_is_shown_as_it_is_read_back(folder, tmp_path):
    sheet = folder.write("x", pd.DataFrame({"patient": ["=1+1", "007"], "a/b": [1 / 3, float("nan")]}), "x")
    assert (tmp_path / "t" / "x.csv").read_text().splitlines()[1].startswith("'=1+1")
    assert sheet.frame["patient"].tolist() == ["=1+1", "007"]
    value = sheet.value(0, "a/b")
    assert (value.text, value.at) == ("0.33", "0/a~1b")
    assert sheet.value(1, "a/b").text == "–"
    assert sheet.rows(patient="007") == [1]
    assert sheet.source.shown == "t/x.csv"
    assert sheet.source.fingerprint == f"sha256 {hashlib.sha256((tmp_path / 't' / 'x.csv').read_bytes()).hexdigest()}"


def test_facts_by_name(folder):
    facts = folder.facts([("n", 1234, "here"), ("words", "a, b", "there")])
    assert facts.value("n", count).text == "1,234"
    assert facts.value("n", count).at == "0/value"
    assert facts.raw("words") == "a, b"
    assert "n" in facts
    assert "m" not in facts


def test_pointers_go_both_ways():
    keys = ["a/b", "~1", "c"]
    assert sources.unpointer("/".join(map(sources.pointer, keys))) == keys


def test_a_file_elsewhere_is_named_in_full(tmp_path):
    assert sources.shown_path(tmp_path / "a" / "x", tmp_path / "r" / "r.html") == (tmp_path / "a" / "x").as_posix()


def test_what_cannot_be_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{")
    with pytest.raises(CytosaeError, match="not readable JSON"):
        sources.read_json_record(path, sources.Source("", "", "", ""))
    path = tmp_path / "x.csv"
    path.write_text('a\n"1')
    with pytest.raises(CytosaeError, match="no readable table"):
        sources.read_sheet(Path(path), sources.Source("", "", "", ""))
