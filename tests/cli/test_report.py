from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.cli import report
from cytosae_toolkit.cli.handling import HandlingGroup
from tests.cohort.making import make_barcodes
from tests.cohort.report.conftest import GROUPS, atlas_path, barcodes_path

__all__ = ["atlas_path", "barcodes_path"]


@pytest.fixture
def run(monkeypatch):
    from tests.cohort.compared import NoExplorer

    monkeypatch.setattr("cytosae_toolkit.explore.explorer.Explorer", NoExplorer)

    def invoke(*arguments):
        app = typer.Typer(cls=HandlingGroup)
        app.callback()(lambda: None)
        report.register(app)
        return CliRunner().invoke(app, ["report", *map(str, arguments), "--quiet"])

    return invoke


def test_a_patient(run, barcodes_path, tmp_path):
    out = tmp_path / "deep" / "r.html"
    result = run(barcodes_path, "--patient", "p00", "--out", out)
    assert result.exit_code == 0, result.output
    assert f"wrote {out}" in result.stdout
    assert f"report {barcodes_path} --patient p00 --out {out}" in out.read_text()
    result = run(barcodes_path, "--patient", "p00", "--out", out)
    assert result.exit_code == 2
    assert "exists. Replace it with --force" in result.stderr


def test_groups_as_json(run, barcodes_path, tmp_path):
    result = run(barcodes_path, "--groups", *GROUPS, "--out", tmp_path / "r.html", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["files"] == [str(tmp_path / "r-tables"), str(tmp_path / "r-comparison")]
    assert document["bytes"] == (tmp_path / "r.html").stat().st_size


def test_the_atlas_is_missing_or_another(run, barcodes_path, atlas_path, tmp_path):
    own = tmp_path / "b.h5ad"
    make_barcodes().write_h5ad(own)
    result = run(own, "--patient", "p00", "--out", tmp_path / "r.html")
    assert result.exit_code == 2
    assert "a.atlas.zarr that the barcodes were made from is not there. Name it with --atlas A." in result.stderr
    result = run(own, "--patient", "p00", "--out", tmp_path / "r.html", "--atlas", atlas_path)
    assert result.exit_code == 2
    assert "The barcodes are of the SAE ffffffffffff" in result.stderr
    result = run(tmp_path / "none.h5ad", "--patient", "p00", "--out", tmp_path / "r.html")
    assert result.exit_code == 2
    assert "do not exist" in result.stderr
    result = run(barcodes_path, "--patient", "p00", "--out", tmp_path / "r.pdf")
    assert "does not end in .html" in result.stderr
    assert list(tmp_path.glob("r*")) == []
