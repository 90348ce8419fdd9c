from __future__ import annotations

import json
from pathlib import Path

import pytest

from cytosae_toolkit.cohort.report.inputs import Request, check_request, open_inputs, open_result
from cytosae_toolkit.errors import CytosaeError


def test_the_command_can_be_typed():
    request = Request(Path("b.h5ad"), Path("my report.html"), classification=Path("c"), column="sex")
    assert request.command(["--patient", "a b"]) == (
        "cytosae-toolkit report b.h5ad --patient 'a b' --out 'my report.html' --classification c --column sex"
    )
    assert request.beside("-tables") == Path("my report-tables")


def test_outputs_that_are_refused(tmp_path):
    out = tmp_path / "r.html"
    (tmp_path / "r-tables").mkdir()
    with pytest.raises(CytosaeError, match="r-tables exists"):
        check_request(Request(Path("b"), out))
    with pytest.raises(CytosaeError, match="holds no tables of a report"):
        check_request(Request(Path("b"), out, force=True))
    (tmp_path / "r-tables" / "facts.csv").touch()
    check_request(Request(Path("b"), out, force=True))


def test_the_atlas_is_the_one_of_the_barcodes(request_for, atlas_path):
    inputs = open_inputs(request_for(), ["--patient", "p00"])
    assert inputs.atlas.path == atlas_path
    assert inputs.barcode_source().command == "cytosae-toolkit barcodes"
    with pytest.raises(CytosaeError, match="Two atlases"):
        open_inputs(request_for(source=atlas_path, atlas=Path("other")), ["--patient", "p00"])


def test_folders_that_are_no_result(request_for, tmp_path):
    inputs = open_inputs(request_for(), ["--patient", "p00"])
    with pytest.raises(CytosaeError, match=r"has no classification\.json"):
        open_result(tmp_path, "classification", inputs)
    (tmp_path / "comparison.json").write_text(json.dumps({"format": "else"}))
    with pytest.raises(CytosaeError, match="no comparison of cytosae-toolkit"):
        open_result(tmp_path, "comparison", inputs)
