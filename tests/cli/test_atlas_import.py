from __future__ import annotations

import json

import pytest
import torch
import typer
from typer.testing import CliRunner

from cytosae_toolkit.cli import atlas_import
from cytosae_toolkit.cli.handling import HandlingGroup


@pytest.fixture
def run():
    app = typer.Typer(cls=HandlingGroup, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    atlas_import.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["import-statistics", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "toy"
    made.mkdir()
    torch.save(torch.tensor([0.5, 0.005, float("nan")]), made / "sae_mean_acts.pt")
    torch.save(torch.tensor([1.0, 0.1, 0.0]), made / "sae_sparsity.pt")
    return made


def test_it_counts_what_it_imported(run, folder, tmp_path):
    result = run(folder, "--out", tmp_path / "a.atlas.zarr")
    assert result.exit_code == 0, result.output
    assert "3 latents" in result.stdout
    assert "2 of them active" in result.stdout
    assert "> -4: 2, > -3: 2, > -2: 1, > -1: 1" in result.stdout


def test_json_and_force(run, folder, tmp_path):
    document = json.loads(run(folder, "--out", tmp_path / "a.atlas.zarr", "--json").stdout)
    assert document == {
        "atlas": str(tmp_path / "a.atlas.zarr"),
        "d_sae": 3,
        "n_fired": 2,
        "columns": ["mean_activation", "frequency"],
        "above": {"-4": 2, "-3": 2, "-2": 1, "-1": 1},
    }
    assert run(folder, "--out", tmp_path / "a.atlas.zarr").exit_code == 2
    assert run(folder, "--out", tmp_path / "a.atlas.zarr", "--force").exit_code == 0


def test_a_wrong_folder_is_one_sentence(run, tmp_path):
    result = run(tmp_path, "--out", tmp_path / "a.atlas.zarr")
    assert result.exit_code == 2
    assert "holds no statistics" in result.stderr


def test_the_description_of_imported_statistics(run, folder, tmp_path):
    from cytosae_toolkit.cli.main import app

    run(folder, "--out", tmp_path / "a.atlas.zarr")
    result = CliRunner().invoke(app, ["atlas", "info", str(tmp_path / "a.atlas.zarr")])
    assert result.exit_code == 0, result.output
    assert "3 latents, 2 of them active on at least one image; no images" in result.stdout
    assert "toy: published statistics" in result.stdout
