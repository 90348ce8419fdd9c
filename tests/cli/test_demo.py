from __future__ import annotations

import json
from functools import partial

import pytest
from typer.testing import CliRunner

from cytosae_toolkit.cli.main import app
from cytosae_toolkit.demo import tour

SMALL = {"steps": 6, "expansion": 1.0, "batch_tokens": 512, "init_tokens": 512}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(tour, "Tour", partial(tour.Tour, n_images=24, n_fresh=12, training=SMALL))


def demo(*arguments: str):
    return CliRunner().invoke(app, ["demo", *arguments])


def test_demo_makes_what_it_names_and_says_what_to_try_next(small, tmp_path):
    out = tmp_path / "demo"
    result = demo("--out", str(out), "--quiet")
    assert result.exit_code == 0, result.output
    for name in ("concepts.png", "training.png", "localisation.csv", "field.png", "smears", "run"):
        assert (out / name).exists()
        assert str(out / name) in result.stdout
    for word in ("nucleus", "granules", "red cells", "auer rods", "Try next:", "cytosae-toolkit evaluate"):
        assert word in result.stdout
    again = demo("--out", str(out))
    assert again.exit_code == 2
    assert "is complete" in again.output
    replaced = demo("--out", str(out), "--force", "--json")
    assert replaced.exit_code == 0, replaced.output
    assert {row["mask"] for row in json.loads(replaced.stdout)["localisation"]} >= {"nucleus", "auer_rods"}


def test_an_unfinished_demo_goes_on_only_with_the_same_seed(small, tmp_path):
    out = tmp_path / "demo"
    assert demo("--out", str(out), "--quiet").exit_code == 0
    (out / "demo.json").unlink()  # as if interrupted
    other = demo("--out", str(out), "--seed", "3")
    assert other.exit_code == 2
    assert "begun with seed 0, not 3" in other.output
    assert demo("--out", str(out), "--quiet").exit_code == 0


def test_demo_touches_no_foreign_folder(small, tmp_path):
    (tmp_path / "letter.txt").write_text("do not lose me")
    for options in ((), ("--force",)):
        result = demo("--out", str(tmp_path), *options)
        assert result.exit_code == 2
        assert "holds other things" in result.output
    assert (tmp_path / "letter.txt").exists()


def test_view_opens_a_finished_demo_at_once(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("cytosae_toolkit.cli.view.open_viewer", lambda source, images: opened.append((source, images)))
    (tmp_path / "demo.json").write_text("{}")
    result = demo("--out", str(tmp_path), "--view")
    assert result.exit_code == 0, result.output
    assert opened == [(tmp_path / "demo.atlas.zarr", [tmp_path / "field.png"])]


def test_view_and_json_of_a_finished_demo_say_where_things_are(tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.cli.view.open_viewer", lambda source, images: None)
    (tmp_path / "demo.json").write_text("{}")
    result = demo("--out", str(tmp_path), "--view", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["atlas"], found["field"]) == (str(tmp_path / "demo.atlas.zarr"), str(tmp_path / "field.png"))
