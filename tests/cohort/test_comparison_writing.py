from __future__ import annotations

import json

import pandas as pd
import pytest

from cytosae_toolkit.cohort.cohort import open_cohort
from cytosae_toolkit.cohort.comparing import CompareOptions, compare
from cytosae_toolkit.cohort.comparison_references import comparison_references
from cytosae_toolkit.cohort.comparison_writing import write_comparison
from cytosae_toolkit.errors import CytosaeError
from tests.cohort.compared import ComparedAtlas, NoExplorer, barcodes

PLAIN = {"comparison.json", "latents.csv", "top.csv", "scatter.png", "scatter.csv"}


def made(**options):
    sets = ["x"] * 12 + ["y"] * 15 if options.pop("apart", False) else None
    return compare(
        open_cohort(barcodes(sets=sets)), "A", "B", CompareOptions(**{"bootstraps": 20, "top": 5, **options})
    )


def test_a_folder_with_numbers_tables_and_figures(tmp_path):
    found = made()
    files = found.write(tmp_path / "out")
    assert {file.name for file in files} == PLAIN | {"volcano.png", "volcano.csv"}
    assert all(file.stat().st_size for file in files)
    table = pd.read_csv(tmp_path / "out" / "latents.csv")
    assert list(table) == list(found.table)
    assert table["p"].tolist() == pytest.approx(found.table["p"].tolist())
    assert "'=rod 1" in table["name"].tolist()  # no spreadsheet runs it
    top = pd.read_csv(tmp_path / "out" / "top.csv")
    assert top["higher_in"].value_counts().to_dict() == {"A": 5, "B": 5}
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert record["tests"]["n_discoveries"] == table["discovery"].sum() >= 6


def test_confounded_groups_leave_no_p_in_any_file(tmp_path):
    files = write_comparison(made(apart=True), tmp_path / "out")
    assert {file.name for file in files} == PLAIN
    for name in ("latents.csv", "top.csv", "scatter.csv"):
        assert not {"p", "q"} & set(pd.read_csv(tmp_path / "out" / name))
    forced = write_comparison(made(apart=True, despite_confounding=True), tmp_path / "forced")
    assert {"volcano.png", "volcano.csv"} <= {file.name for file in forced}


def test_references_are_written_with_what_they_lack(tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_toolkit.explore.explorer.Explorer", NoExplorer)
    found, atlas = made(), ComparedAtlas([f"p{i}" for i in range(27)])
    references = comparison_references(found, atlas, n_images=3)
    files = write_comparison(found, tmp_path / "out", atlas=atlas, references=references)
    assert {"references.png", "references.csv"} <= {file.name for file in files}
    assert len(pd.read_csv(tmp_path / "out" / "references.csv")) == 30
    record = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert record["references"] == {"atlas": "toy.atlas.zarr", "problem": "The weights are not here."}


def test_only_a_comparison_is_replaced(tmp_path):
    write_comparison(made(), tmp_path / "out")
    with pytest.raises(CytosaeError, match="exists.*--force"):
        write_comparison(made(), tmp_path / "out")
    write_comparison(made(top=1), tmp_path / "out", force=True)
    (tmp_path / "precious").mkdir()
    with pytest.raises(CytosaeError, match="is not a comparison"):
        write_comparison(made(), tmp_path / "precious", force=True)
