from __future__ import annotations

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.atlas.names import Annotations
from cytosae_toolkit.atlas.searching import search
from cytosae_toolkit.cli import atlas_names
from cytosae_toolkit.cli.handling import HandlingGroup


@pytest.fixture
def names(tmp_path, monkeypatch):
    annotations = Annotations(tmp_path / "a.names.jsonl", "f00d", 100)
    latents = pd.DataFrame({"mean_activation": [i / 100 for i in range(100)]}).rename_axis("latent")
    opened = SimpleNamespace(annotations=annotations, search=lambda query, limit: search(latents, query, limit=limit))
    monkeypatch.setattr("cytosae_toolkit.atlas.reading.open_atlas", lambda path: opened)
    monkeypatch.setenv("CYTOSAE_AUTHOR", "mk")
    return annotations


def run(command: str, *arguments: object):
    app = typer.Typer(cls=HandlingGroup)
    atlas_names.register(app)
    return CliRunner().invoke(app, [command, "a.atlas.zarr", *map(str, arguments)])


def test_latents_are_named_one_by_one_or_in_bulk(names):
    result = run("name", 12, "eosinophilic granules", "--note", "coarse", "--verdict", "concept")
    assert result.exit_code == 0, result.output
    assert result.stdout == "latent 12: eosinophilic granules (concept) - coarse  [mk]\n"
    assert run("name", "12,#40", "--verdict", "mixed", "--author", "ra").exit_code == 0
    found = names.current()
    assert (found[12].name, found[12].verdict, found[12].author) == ("eosinophilic granules", "mixed", "ra")
    assert (found[40].name, found[40].verdict) == ("", "mixed")
    changed = json.loads(run("name", "--query", "mean>0.965", "bright", "--json").stdout)
    assert [entry["latent"] for entry in changed] == [99, 98, 97]
    assert names.by_name()["bright"] == [97, 98, 99]


def test_changes_are_taken_back_and_names_away(names):
    run("name", 12, "first")
    run("name", 12, "second")
    assert run("name", "--undo").stdout == "latent 12: first  [mk]\n"
    assert "nothing is said any more" in run("name", 12, "--clear").stdout
    assert names.current() == {}
    assert "latent 12: first" in run("name", "--undo").stdout


def test_many_changes_are_not_all_printed(names):
    assert "… and 30 more" in run("name", "--query", "latent<50", "many").stdout


def test_names_are_listed_and_exchanged(names, tmp_path):
    assert "No latent has a name yet" in run("names").stdout
    run("name", 12, "=granules", "--verdict", "concept")
    assert "=granules" in run("names").stdout
    assert json.loads(run("names", "--json").stdout)[0]["verdict"] == "concept"
    table = tmp_path / "names.csv"
    assert "1 latents written" in run("names", "--export", table).stdout
    assert run("names", "--export", table).exit_code == 2
    assert json.loads(run("names", "--export", table, "--force", "--json").stdout)["n_rows"] == 1
    assert "1 rows: 0 new, 0 changed, 0 cleared, 1 as before" in run("names", "--import", table).stdout
    table.write_text("latent,name\n13,rods\n")
    assert json.loads(run("names", "--import", table, "--author", "ra", "--json").stdout)["n_added"] == 1
    assert names.current()[13].author == "ra"


def test_damaged_lines_are_reported(names):
    names.path.write_text("nonsense\n")
    assert "Line 1 of" in run("names").stderr


def test_bad_input_is_one_sentence(names, tmp_path):
    for arguments, message in (
        (("name",), "No latent is given"),
        (("name", "twelve", "x"), "'twelve' is no latent"),
        (("name", 100, "x"), "no latent 100"),
        (("name", 1), "Nothing is said"),
        (("name", 1, "two", "words"), "in quotes"),
        (("name", 1, "#4", "two"), "Write: atlas name A 1,4 NAME"),
        (("name", 60, ""), "Nothing was said about latent 60"),
        (("name", 60, "--clear"), "there is nothing to take away"),
        (("name", 1, "x", "--verdict", "good"), "no verdict"),
        (("name", 1, "x", "--undo"), "Give it alone"),
        (("name", 1, "x", "--clear"), "Give no other"),
        (("name", "--undo"), "no change to take back"),
        (("name", "--query", "mean>9", "x"), "finds no latent"),
        (("name", "--query", "mean>", "x"), "needs a value"),
        (("names", "--export", tmp_path / "a.csv", "--import", tmp_path / "a.csv"), "exclude each other"),
        (("names", "--export", tmp_path / "absent" / "a.csv"), "does not exist"),
        (("names", "--import", tmp_path / "absent.csv"), "cannot be read"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, (arguments, result.output)
        assert message in result.stderr
