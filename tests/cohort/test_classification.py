from __future__ import annotations

import json

import pandas as pd
import pytest

from cytosae_toolkit.cohort.classification import check_out
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.test_classifying import run

TABLES = {"predictions", "per_class", "confusion", "baselines", "latents", "drivers", "sets", "sweep"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    found = run(sweep=True, thresholds=(-3.0, -1.0), features=("colour",))
    return found, found.write(tmp_path_factory.mktemp("out") / "result")


def test_the_folder_is_complete(written):
    _, folder = written
    names = {file.name for file in folder.iterdir()}
    pictures = {"confusion.png", "features.png", "sweep.png"}
    assert names == {f"{table}.csv" for table in TABLES} | pictures | {"classification.json"}


def test_the_json_says_where_every_number_comes_from(written):
    result, folder = written
    record = json.loads((folder / "classification.json").read_text())
    assert (record["format"], record["version"]) == ("cytosae-classification", 1)
    assert record["barcodes"]["sae_fingerprint"] == "f" * 32
    assert {"command", "software", "created"} <= set(record)
    assert record["options"]["thresholds"] == [-3.0, -1.0]
    assert record["features"][0]["scores"]["weighted_f1"]["pooled"] == result.barcode.scores["weighted_f1"].pooled
    assert record["confusion"]["classes"] == ["aml", "cll", "healthy"]
    assert record["best_of_curve"] in (-3.0, -1.0)


def test_tables_hold_the_same_numbers(written):
    result, folder = written
    baselines = pd.read_csv(folder / "baselines.csv").set_index(["features", "score"])
    assert set(baselines.index.get_level_values(0)) == {
        "barcode", "colour", "commonest class", "barcode, threshold chosen within training folds"
    }  # fmt: skip
    assert baselines.loc[("barcode", "weighted_f1"), "pooled"] == pytest.approx(
        result.barcode.scores["weighted_f1"].pooled, abs=1e-5
    )
    sets = pd.read_csv(folder / "sets.csv")
    assert sets["set"].tolist() == ["x", "y", "all sets"] * 2
    sweep = pd.read_csv(folder / "sweep.csv")
    assert sweep["n_latents"].tolist() == [30, 10]
    assert sweep["times_chosen"].sum() == 8


def test_what_exists_is_not_overwritten(written, tmp_path):
    result, folder = written
    with pytest.raises(CytosaeError, match="exists"):
        result.write(folder)
    result.write(folder, force=True)
    other = tmp_path / "mine"
    other.mkdir()
    check_out(other)
    (other / "thesis.tex").touch()
    with pytest.raises(CytosaeError, match="holds no classification"):
        result.write(other, force=True)
    assert (other / "thesis.tex").exists()
