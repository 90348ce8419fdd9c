from __future__ import annotations

import json

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.cli import barcodes as command
from cytosae_toolkit.cli.barcodes import left_out_lines
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.cohort.cohort import open_cohort


@pytest.fixture
def run(atlas, tmp_path):
    """Return a function that counts the patients of an atlas."""
    app = typer.Typer(cls=HandlingGroup, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    command.register(app)

    def barcodes(*arguments: object, out: object = tmp_path / "b.h5ad"):
        return CliRunner().invoke(app, ["barcodes", *map(str, (atlas.path, "--out", out, "--quiet", *arguments))])

    return barcodes


def test_a_summary_is_printed_and_the_file_written(run, atlas, tmp_path):
    result = run()
    assert result.exit_code == 0, result.stderr
    assert "12 patients, 75 images, 96 latents" in result.stdout
    assert "τ = 3 keeps" in result.stdout
    assert "1 patients have no disease" in result.stderr
    assert open_cohort(tmp_path / "b.h5ad").record["sae_fingerprint"] == atlas.record["sae_fingerprint"]


def test_json_lists_everything_that_was_written(run, tmp_path):
    result = run("--json", "--threshold", 8, "--tau-table", "--figures", tmp_path / "f", "--patient", "p3")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["n_patients"], found["n_columns"], found["threshold"]) == (12, 96, 8)
    assert sum(found["diseases"].values()) == 12
    assert found["diseases"]["unknown"] == 1
    names = [f"f/{stem}.{suffix}" for stem in ("diseases", "correlation", "patient-p3") for suffix in ("png", "csv")]
    assert found["files"] == [str(tmp_path / name) for name in ["b.h5ad", "b.tau.csv", *names]]
    assert all((tmp_path / name).stat().st_size > 100 for name in names)
    table = pd.read_csv(tmp_path / "b.tau.csv")
    assert table["threshold"].tolist() == [row["threshold"] for row in found["tau_table"]]
    assert table.loc[table["in_use"], "threshold"].tolist() == [8]
    assert table.loc[table["in_use"], "kept_share"].iloc[0] == pytest.approx(found["kept_share"], rel=1e-5)


def test_thresholds_are_shown_beside_each_other(run):
    result = run("--tau-table")
    assert result.exit_code == 0, result.stderr
    (line,) = [line for line in result.stdout.splitlines() if line.strip().startswith(">")]
    assert line.split()[1] == "3"
    assert "1.000" in line


def test_a_threshold_that_keeps_nothing_is_warned_about(run):
    result = run("--threshold", 1e6)
    assert result.exit_code == 0, result.stderr
    assert "0 of them in some patient" in result.stdout
    assert "keeps 0 % of the activations" in result.stderr


def test_figures_of_nothing_are_drawn(run, tmp_path):
    result = run("--threshold", 1e6, "--figures", tmp_path / "f", "--patient", "p3")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threshold", -1], "no activation"),
        (["--threshold", "nan"], "no activation"),
        (["--aggregator", "coutn"], "coutn"),
        (["--aggregator", "max", "--threshold", 1], "has no threshold"),
        (["--by", "name"], "is named"),
        (["--patient", "p3"], "Add --figures"),
        (["--figures", "f", "--patient", "p33"], "no patient 'p33'"),
    ],
)
def test_mistakes_are_one_sentence_and_nothing_is_written(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert set(tmp_path.rglob("*")) == before


def test_nothing_is_replaced_without_force(run, tmp_path):
    (tmp_path / "b.h5ad").write_text("mine")
    assert "exists" in run().stderr
    assert (tmp_path / "b.h5ad").read_text() == "mine"
    (tmp_path / "c.tau.csv").write_text("mine")
    assert "exists" in run("--tau-table", out=tmp_path / "c.h5ad").stderr
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "notes.txt").write_text("mine")
    assert "is not empty" in run("--figures", tmp_path / "f", out=tmp_path / "c.h5ad").stderr
    assert (
        "is a file"
        in run(
            "--figures",
            tmp_path / "c.tau.csv",
            out=tmp_path / "c.h5ad",
        ).stderr
    )
    assert not (tmp_path / "c.h5ad").exists()
    result = run("--tau-table", "--figures", tmp_path / "f", "--force")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "f" / "notes.txt").read_text() == "mine"
    assert len(open_cohort(tmp_path / "b.h5ad")) == 12


@pytest.mark.parametrize(("name", "message"), [("b.csv", "does not end in .h5ad"), ("d.h5ad", "is a folder")])
def test_places_where_nothing_is_written(run, tmp_path, name, message):
    (tmp_path / "d.h5ad").mkdir()
    assert message in run("--force", out=tmp_path / name).stderr


def test_what_is_left_out_is_said():
    lines = left_out_lines(
        {"without_patient": 3, "without_disease": 0, "unreadable_patients": [f"p{i}" for i in range(7)]}
    )
    assert lines == [
        "3 images name no patient and are left out.",
        "7 patients have no readable image and are left out: p0, p1, p2, p3, p4, ….",
    ]
    assert left_out_lines({"without_patient": 0, "without_disease": 0, "unreadable_patients": []}) == []
