from __future__ import annotations

import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.atlas.writing import write_anndata
from cytosae_toolkit.cli import atlas_figure
from cytosae_toolkit.cli.handling import HandlingGroup


@pytest.fixture
def run():
    app = typer.Typer(cls=HandlingGroup, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    atlas_figure.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["figure", *map(str, arguments)])


def make(path):
    var = pd.DataFrame({"mean_activation": [0.5, 0.005, 0.0], "frequency": [1.0, 0.1, 0.0]})
    record = {"format": "cytosae-atlas", "version": 1, "sae_fingerprint": "f" * 32, "d_sae": 3, "has_images": False,
              "sets": [{"name": "toy", "n_images": None}]}  # fmt: skip
    write_anndata(path, obs=pd.DataFrame(index=pd.Index([], dtype=str)), var=var, uns_record=record)
    return path


def test_one_figure_of_two_atlases_with_its_numbers(run, tmp_path):
    atlases = [make(tmp_path / "a.atlas.zarr"), make(tmp_path / "b.atlas.zarr")]
    result = run(*atlases, "--out", tmp_path / "f.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1] == "b: log10 mean activation > -4: 2, > -3: 2, > -2: 1, > -1: 1"
    numbers = pd.read_csv(tmp_path / "f.csv")
    assert numbers["atlas"].tolist() == ["a"] * 3 + ["b"] * 3
    assert (tmp_path / "f.png").stat().st_size > 10_000
    refused = run(*atlases, "--out", tmp_path / "f.png")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr


def test_titles_tell_atlases_apart(run, tmp_path):
    atlases = [make(tmp_path / "x" / "a.atlas.zarr"), make(tmp_path / "y" / "a.atlas.zarr")]
    assert "same name" in run(*atlases, "--out", tmp_path / "f.svg").stderr
    assert "1 titles" in run(*atlases, "--title", "x", "--out", tmp_path / "f.svg").stderr
    result = run(*atlases, "--title", "x", "--title", "y", "--out", tmp_path / "f.svg", "--json")
    assert json.loads(result.stdout)["above"] == {n: {"-4": 2, "-3": 2, "-2": 1, "-1": 1} for n in "xy"}
