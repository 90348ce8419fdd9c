from __future__ import annotations

import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.atlas.writing import write_anndata
from cytosae_toolkit.cli import atlas_pack
from cytosae_toolkit.cli.handling import HandlingGroup


@pytest.fixture
def run():
    app = typer.Typer(cls=HandlingGroup, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    atlas_pack.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["pack", *map(str, arguments)])


@pytest.fixture
def atlas(tmp_path):
    write_anndata(
        tmp_path / "a.atlas.zarr",
        obs=pd.DataFrame({"patient": ["Miller"]}, index=["one"]),
        var=pd.DataFrame({"mean_activation": [0.5]}),
        uns_record={"format": "cytosae-atlas", "version": 1},
    )
    return tmp_path / "a.atlas.zarr"


def test_it_says_what_it_wrote(run, atlas, tmp_path):
    result = run(atlas, "--out", tmp_path / "a.zip")
    assert result.exit_code == 0, result.output
    assert "a.zip (0.0 MB)" in result.stdout
    assert result.stderr == ""


def test_json_and_what_remains_without_patient_ids(run, atlas, tmp_path):
    result = run(atlas, "--out", tmp_path / "a.zip", "--no-patient-ids", "--json")
    assert json.loads(result.stdout)["patient_ids"] is False
    assert "the pictures" in result.stderr
    refused = run(atlas, "--out", tmp_path / "a.zip")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert run(atlas, "--out", tmp_path / "a.zip", "--force", "--quiet", "--no-patient-ids").stderr == ""
