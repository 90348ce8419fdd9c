from __future__ import annotations

import pytest

from cytosae_toolkit.atlas.names_text import check_verdict, clean, default_author, one_line
from cytosae_toolkit.errors import CytosaeError


def test_control_and_invalid_characters_go_and_lines_stay():
    assert clean(" a\r\nb\x07\udcff\t ") == "a\nb?"
    assert one_line("  Auer\n rods\x00 ") == "Auer rods"


def test_a_verdict_is_one_of_four_or_none():
    assert check_verdict(" Concept ") == "concept"
    assert check_verdict("") == ""
    with pytest.raises(CytosaeError, match=r"'artifact' is no verdict\. Did you mean artefact"):
        check_verdict("artifact")


def test_the_author_is_whoever_is_known(monkeypatch):
    monkeypatch.setenv("CYTOSAE_AUTHOR", " M. Kay ")
    assert default_author() == "M. Kay"
    monkeypatch.setenv("CYTOSAE_AUTHOR", "")
    monkeypatch.setenv("LOGNAME", "somebody")
    assert default_author() == "somebody"

    def fail() -> str:
        raise KeyError("no such user")

    monkeypatch.setattr("getpass.getuser", fail)
    assert default_author() == "unknown"
