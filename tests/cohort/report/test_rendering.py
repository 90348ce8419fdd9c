from __future__ import annotations

from cytosae_toolkit.cohort.report.document import (
    Bullets,
    CellPicture,
    CellRow,
    LatentCard,
    Name,
    Paragraph,
    Report,
    Section,
    Table,
    Value,
    plain,
)
from cytosae_toolkit.cohort.report.rendering import render
from cytosae_toolkit.cohort.report.sources import Source
from cytosae_toolkit.cohort.report.tracing import read_report

EVIL = "<script>\"&'__BODY__"
FILE = Source("t/<x>.csv", "sha256 abc", "make <it>", "what")


def page(*blocks, **changes):
    options = {"title": ["A ", Name(EVIL)], "subtitle": [EVIL], "demonstration": False} | changes
    return render(Report(**options, sections=[Section("S", blocks)]))


def test_everything_is_escaped():
    value = Value(EVIL, FILE, "0/<at>")
    card = LatentCard([EVIL], [EVIL], [EVIL], None, [CellRow([EVIL], [CellPicture("data:", "data:", [[EVIL]])], EVIL)])
    table = Table([EVIL], [[[value]]], caption=EVIL)
    text = page(Paragraph([EVIL, Name(EVIL, code=True)]), Bullets([[value]]), table, card)
    assert "<script" not in text.replace("script-src", "")
    assert "<it>" not in text
    assert "<at>" not in text
    assert text.replace("<wbr>", "").count("&lt;script&gt;&quot;&amp;&#x27;__BODY__") == 14


def test_numbers_name_their_file_and_files_their_command():
    found = read_report(page(Paragraph(["n ", Value("12", FILE, "0/n")])))
    assert found.values == [("1", "0/n", "12")]
    assert found.files == {"1": ("t/<x>.csv", "abc")}
    assert found.loose == []


def test_a_number_without_file_is_found():
    assert read_report(page(Paragraph(["there are 12"]))).loose == ["there are 12"]


def test_nothing_may_be_loaded_and_the_warning_is_there():
    text = page()
    assert "default-src 'none'" in text
    assert "For research use only. Not a diagnosis." in text
    assert "Demonstration" not in text
    assert "Demonstration" in page(demonstration=True)


def test_plain_words():
    assert plain(["a ", Name("b"), Value("1", FILE, "0/n")]) == "a b1"
