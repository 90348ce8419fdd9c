from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.cli import compare as command
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.cohort.cohort import save_cohort
from tests.cohort.compared import ComparedAtlas, ToyExplorer, barcodes


@pytest.fixture
def b(tmp_path):
    return save_cohort(barcodes(), tmp_path / "b.h5ad")


@pytest.fixture
def atlas(monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.explore.explorer.Explorer", ToyExplorer)
    opened = ComparedAtlas([f"p{i}" for i in range(27)])
    monkeypatch.setattr("cytosae_toolkit.atlas.reading.open_atlas", lambda path: opened)
    return opened


def compare(*arguments: object):
    app = typer.Typer(cls=HandlingGroup)
    app.callback()(lambda: None)
    command.register(app)
    return CliRunner().invoke(app, ["compare", *map(str, arguments), "--quiet"])


def test_what_is_printed(b):
    result = compare(b, "A", "B", "--bootstraps", 50)
    assert result.exit_code == 0, result.output
    for text in (
        "A: 12 patients; B: 10 patients", "30 of 40 latents tested, chosen without the groups; left out: 10 silent",
        "discoveries at q ≤ 0.05 (Mann-Whitney, p exact for 30, by normal approximation for 0",
        "smallest p that these group sizes can reach 3.1e-06", "higher in A", "higher in B", "=rod 1", "colour",
    ):  # fmt: skip
        assert text in result.stdout
    assert result.stderr.startswith("Warning: Small groups: A has 12 and B has 10 patients")


def test_json_is_one_document_and_caveats_stay_beside_it(b):
    result = compare(b, "A", "rest", "--top", 3, "--rank", "difference", "--json", "--bootstraps", 0)
    found = json.loads(result.stdout)
    assert [row["latent"] for row in found["top"]["a"]] == [0, 1, 2]
    assert found["groups"]["b"]["n_patients"] == 14
    assert found["caveats"]
    assert "Small groups" in result.stderr


def test_confounded_groups_get_no_p_values_unless_asked(tmp_path):
    path = save_cohort(barcodes(sets=["x"] * 12 + ["y"] * 15), tmp_path / "b.h5ad")
    result = compare(path, "A", "B", "--out", tmp_path / "out", "--bootstraps", 20)
    assert "no p-values: group and image set coincide" in result.stdout
    assert " q " not in result.stdout
    assert "coincide" in result.stderr
    assert "x    12" in result.stderr
    assert not (tmp_path / "out" / "volcano.png").exists()
    assert json.loads((tmp_path / "out" / "comparison.json").read_text())["tests"] is None
    forced = compare(path, "A", "B", "--despite-confounding", "--bootstraps", 20)
    assert "discoveries at q" in forced.stdout
    assert "as asked" in forced.stderr


def test_a_folder_and_a_form_with_an_atlas_and_its_answers(b, atlas, tmp_path):
    options = (
        "--atlas",
        "a",
        "--out",
        tmp_path / "out",
        "--review",
        tmp_path / "form",
        "--rank",
        "difference",
        "--top",
        11,
        "--bootstraps",
        20,
    )
    result = compare(b, "A", "B", *options)
    assert result.exit_code == 0, result.output
    assert "22 latents in the form, 11 higher in A, 11 in B." in result.stdout
    assert "Send only the form" in result.stdout
    assert f"--import ANSWERS.csv --key {tmp_path / 'form' / 'key.json'}" in result.stderr
    assert (tmp_path / "out" / "references.csv").is_file()
    assert compare(b, "A", "B", *options).exit_code == 2
    assert json.loads(compare(b, "A", "B", *options, "--force", "--json").stdout)["review"]["n_a"] == 11
    key = json.loads((tmp_path / "form" / "key.json").read_text())
    lines = [f"{key['form']},{item},{fact['higher_in']},,,,1,K" for item, fact in key["items"].items()]
    answers = tmp_path / "answers.csv"
    answers.write_text("\n".join(["form,item,verdict,choice,name,note,seconds,reviewer", *lines]))
    read = ("--import", answers, "--key", tmp_path / "form" / "key.json")
    shown = compare(b, "A", "B", *read)
    assert (
        "top 10 each way: 20 of 20 recognised = 100% (95 % 84% to 100%), 0 artefacts; 20 of 20 assigned" in shown.stdout
    )
    assert "binomial p = 1.9e-06" in shown.stdout
    assert "top 11 higher in B: 11 of 11" in shown.stdout
    assert "5 of the top 10 and 32 of the top 50" in shown.stdout
    assert json.loads(compare(b, "A", "B", *read, "--json").stdout)["tops"][0]["right"] == 20
    assert "compares A with B" in compare(b, "B", "A", *read).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("AA", "B"), "No patient has disease 'AA'. Did you mean A"),
        (("A", "B", "--column", "diseas"), "no column 'diseas'. Did you mean disease"),
        (("A", "A"), "Both groups are 'A'"),
        (("A+C", "B+C"), "4 patients are in both groups"),
        (("A", "B", "--q", 2), "q must lie between"),
        (("A", "B", "--import", "x.csv"), "Give --key"),
        (("A", "B", "--key", "k.json"), "--key belongs to --import"),
        (("A", "B", "--import", "x.csv", "--key", "k.json", "--out", "o"), "Leave out --import"),
        (("A", "B", "--review", "r"), "--atlas"),
        (("A", "B", "--min-mean", 99), "Lower --min-mean"),
    ],
)
def test_bad_input_is_one_sentence(b, arguments, message):
    result = compare(b, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_bad_files_are_one_sentence(b, atlas, tmp_path):
    adata = barcodes()
    adata.X[0, 0] = np.nan
    adata.write_h5ad(tmp_path / "nan.h5ad")
    assert "NaN" in compare(tmp_path / "nan.h5ad", "A", "B").stderr
    adata = barcodes()
    adata.X = np.ones(adata.shape)
    assert "there is nothing to compare" in compare(save_cohort(adata, tmp_path / "same.h5ad"), "A", "B").stderr
    atlas.record["sae_fingerprint"] = "another"
    result = compare(b, "A", "B", "--atlas", "a", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "about another" in result.stderr
    assert not (tmp_path / "out").exists()


def test_no_more_latents_are_printed_than_asked_for(b):
    result = compare(b, "A", "B", "--top", 3, "--bootstraps", 0)
    first = result.stdout.split("higher in A")[1].split("higher in B")[0].strip().splitlines()
    assert first[0] == "(first 3 of 3 listed)"
    assert len(first) == 5  # the header too
