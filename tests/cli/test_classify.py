from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from cytosae_toolkit.cli import classify
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.cohort.classification_tables import Sweep
from cytosae_toolkit.cohort.threshold_sweep import Point
from tests.cohort.making import make_barcodes

FAST = ("--folds", 4, "--repeats", 1, "--permutations", 4, "--bootstraps", 20, "--quiet")


@pytest.fixture(scope="module")
def barcodes(tmp_path_factory):
    path = tmp_path_factory.mktemp("barcodes") / "b.h5ad"
    make_barcodes(sets=("x", "y")).write_h5ad(path)
    return path


def run(barcodes, *arguments):
    app = typer.Typer(cls=HandlingGroup)
    app.callback()(lambda: None)
    classify.register(app)
    return CliRunner().invoke(app, ["classify", str(barcodes), *map(str, (*FAST, *arguments))])


def test_the_words(barcodes, tmp_path):
    result = run(barcodes, "--out", tmp_path / "out", "--sweep", "--thresholds=-3,-1")
    assert result.exit_code == 0, result.output
    for text in (
        "24 patients, 3 classes of disease: aml 8, cll 8, healthy 8",
        "4 folds x 1 repeats; 30 latents with log10 mean activation above -3 (mean over folds); common, C = 0.54",
        "barcode minus this",
        "it says nothing of laboratories",
        "pooled weighted F1",
        "Leave one image set out",
        "threshold chosen within training folds",
        "The maximum of the curve is optimistic",
        "eosinophilic granules",
        "! Fewer than 20 patients in a class",
        f"wrote {tmp_path / 'out'}",
    ):
        assert text in result.stdout
    assert (tmp_path / "out" / "sweep.png").is_file()


def test_json_is_one_document(barcodes):
    result = run(barcodes, "--json", "--features", "colour,set")
    document = json.loads(result.stdout)
    assert [one["name"] for one in document["features"]] == ["barcode", "colour", "set", "commonest class"]
    assert document["options"]["folds"] == 4


@pytest.mark.parametrize(
    "arguments",
    [("--seed", 1), ("--scale", "raw"), ("--strength", "0.001"), ("--min-log10-mean", -1), ("--folds", 3),
     ("--repeats", 2), ("--permutations", 3), ("--bootstraps", 10), ("--features", "cls"), ("--min-patients", 2),
     ("--target", "set")],
)  # fmt: skip
def test_every_option_changes_something(barcodes, arguments):
    def outcome(*arguments):
        document = json.loads(run(barcodes, "--json", *arguments).stdout)
        return {key: value for key, value in document.items() if key not in ("created", "command")}

    assert outcome(*arguments) != outcome()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "diagnosis"), "have no column 'diagnosis'"),
        (("--folds", 9), "fewer than the 9 folds. Choose --folds 8"),
        (("--thresholds=-1",), "--thresholds belongs to --sweep"),
        (("--sweep", "--thresholds=a,b"), "'a,b' is no list of thresholds"),
        (("--strength", "much"), "'much' is no strength"),
        (("--features", "color"), "Did you mean colour"),
        (("--atlas", "nowhere.atlas.zarr"), "nowhere.atlas.zarr"),
    ],
)
def test_bad_input_is_one_sentence(barcodes, arguments, message):
    result = run(barcodes, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_an_output_that_exists_is_kept(barcodes, tmp_path):
    out = tmp_path / "out"
    assert run(barcodes, "--out", out, "--features", "colour").exit_code == 0
    assert run(barcodes, "--out", out).exit_code == 2
    assert run(barcodes, "--out", out, "--features", "colour", "--force").exit_code == 0


def test_only_some_of_the_patients(barcodes):
    found = [run(barcodes, "--json", *more) for more in ((), ("--where", "set=x"))]
    assert [json.loads(result.stdout)["n_patients"] for result in found] == [24, 12]


def test_equal_bests_of_the_curve_are_counted():
    def point(limit, score):
        return Point(limit, 9.0, {}, {}, {"weighted_f1": score}, 0)

    assert classify._best(Sweep((point(-3, 0.8), point(-2, 0.9), point(-1, 0.9)), None, "")) == "0.900 at -1 and 1 more"
    assert classify._best(Sweep((point(-3, 0.8), point(-2, 0.9)), None, "")) == "0.900 at -2"
