from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_toolkit.atlas.names import Annotations
from cytosae_toolkit.atlas.names_csv import escape_cell, unescape_cell
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def names(tmp_path: Path) -> Annotations:
    return Annotations(tmp_path / "a.names.jsonl", "f00d", d_sae=100)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "names.csv"


def fresh(tmp_path: Path) -> Annotations:
    return Annotations(tmp_path / "fresh.names.jsonl", "f00d", d_sae=100)


@given(st.text(alphabet="'=+-@\t\rab\n,;\""))
def test_quoting_of_cells_round_trips_and_disarms(text):
    escaped = escape_cell(text)
    assert unescape_cell(escaped) == text
    assert not escaped.startswith(("=", "+", "-", "@", "\t", "\r"))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(min_size=1), st.text()), min_size=1, max_size=5))
def test_any_text_survives_the_round_trip(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("round")
    first = Annotations(None, "f00d", d_sae=100)
    for latent, (name, note) in enumerate(texts):
        first.add(latent, name, note=note, verdict="concept", author="=mk")
    first.export_csv(folder / "names.csv")
    second = Annotations(None, "f00d", d_sae=100)
    second.import_csv(folder / "names.csv")
    assert second.current() == first.current()


def test_formulas_are_not_left_for_spreadsheets(names, table, tmp_path):
    names.add(7, '=HYPERLINK("http://x")', note="-1+1", author="@me")
    assert names.export_csv(table) == 1
    text = table.read_text(encoding="utf-8")
    assert "'=HYPERLINK" in text
    assert "'-1+1" in text
    assert "'@me" in text
    other = fresh(tmp_path)
    other.import_csv(table)
    assert other.current() == names.current()


def test_what_is_there_already_is_not_added_again(names, table):
    names.add([1, 2, 3], "granules", verdict="concept", author="mk")
    names.export_csv(table)
    report = names.import_csv(table)
    assert vars(report) == {
        "path": table, "n_rows": 3, "n_added": 0, "n_changed": 0, "n_cleared": 0, "n_unchanged": 3
    }  # fmt: skip
    assert len(names.history(1)) == 1
    table.write_text(
        table.read_text().replace("2,granules", "2,rods").replace("3,granules,,concept", "3,,,") + "4,vacuoles\n"
    )
    report = names.import_csv(table)
    assert vars(report) == {
        "path": table, "n_rows": 4, "n_added": 1, "n_changed": 1, "n_cleared": 1, "n_unchanged": 1
    }  # fmt: skip
    assert names.by_name() == {"granules": [1], "rods": [2], "vacuoles": [4]}
    names.undo()
    assert names.by_name() == {"granules": [1, 2, 3]}


def test_an_absent_column_keeps_what_is_there(names, table):
    names.add(1, "granules", note="fine", verdict="concept")
    table.write_text("#\nlatent,name\n".removeprefix("#\n") + "#1,azurophilic granules\n2.0,rods\n\n,\n")
    names.import_csv(table, author="ra")
    found = names.current()
    assert (found[1].name, found[1].note, found[1].verdict, found[1].author) == (
        "azurophilic granules", "fine", "concept", "ra",
    )  # fmt: skip
    assert found[2].name == "rods"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_save_is_read(names, table, encoding, delimiter):
    text = f"Latent{delimiter}Name{delimiter}time\r\n5{delimiter}Jolly-Körper{delimiter}2026-01-31 12:00\r\n"
    content = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
    table.write_bytes(content)
    names.import_csv(table)
    assert names.current()[5].name == "Jolly-Körper"
    assert names.current()[5].time == "2026-01-31T12:00:00+00:00"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("latent,name\n1,ok\n2,Jolly-Körper\n".encode("cp1252"), "line 3 has a byte"),
        (b"\xff\xfel\x00a", "is not UTF-16 text"),
        (b"number,name\n1,a\n", "lacks the column latent"),
        (b"latent,latent,name\n1,1,a\n", "more than once"),
        (b"", "lacks the column latent and name"),
        (b"latent,name\n1,a\n100,b\nx,c\n", "Line 3: there is no latent 100 .0 to 99.. Line 4: 'x' is no latent"),
        (b'latent,name\n1,"a\nb"\n-1,c\n', "Line 4: '-1' is no latent"),
        (b"latent,name,verdict\n1,a,concept\n2,b,perhaps\n", "Line 3: 'perhaps' is no verdict"),
        (b"latent,name\n1,a\n1,b\n", "Line 3: latent 1 comes twice, first on line 2"),
        (b"latent,name,time\n1,a,yesterday\n", "Line 2: 'yesterday' is no time"),
        (b"latent,name,verdict,note\n1,,,alone\n", "Line 2: a note needs"),
        (b"latent,name\n" + b"999,x\n" * 9, "and 4 more"),
        (b'latent,name\n1,"' + b"a" * 200_000 + b'"\n', "line 2: field larger than field limit"),
    ],
)
def test_a_wrong_file_is_refused_as_a_whole_with_its_lines(names, table, content, message):
    table.write_bytes(content)
    with pytest.raises(CytosaeError, match=message):
        names.import_csv(table)
    assert not names.path.exists()


def test_an_absent_file_is_named(names, table):
    with pytest.raises(CytosaeError, match="cannot be read"):
        names.import_csv(table)
