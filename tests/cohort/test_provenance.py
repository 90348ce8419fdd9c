from __future__ import annotations

import json
from datetime import datetime

import pytest

from cytosae_toolkit.cohort.cohort import open_cohort, save_cohort
from cytosae_toolkit.cohort.provenance import content_fingerprint, current_command, now, provenance

from .making import make_barcodes


def test_the_fingerprint_survives_a_file_and_another_order_in_memory(tmp_path):
    made = make_barcodes(4)
    expected = content_fingerprint(made)
    assert len(expected) == 32
    found = open_cohort(save_cohort(made, tmp_path / "b.h5ad")).adata
    assert content_fingerprint(found) == expected
    found.X = found.X.tocsc().tocsr()
    assert content_fingerprint(found) == expected


@pytest.mark.parametrize("change", ["value", "patient", "latent", "disease", "set"])
def test_whatever_a_classifier_sees_changes_the_fingerprint(change):
    made = make_barcodes(4)
    before = content_fingerprint(made)
    if change == "value":
        made.X.data[0] += 1e-12
    elif change == "patient":
        made.obs_names = ["q", *made.obs_names[1:]]
    elif change == "latent":
        made.var_names = ["q", *made.var_names[1:]]
    else:
        made.obs[change] = ["q", *made.obs[change].iloc[1:]]
    assert content_fingerprint(made) != before


@pytest.mark.parametrize("name", ["/usr/bin/cytosae-toolkit", "x/__main__.py"])
def test_a_command_line_can_be_typed_again(monkeypatch, name):
    monkeypatch.setattr("sys.argv", [name, "barcodes", "my atlas.zarr"])
    assert current_command() == "cytosae-toolkit barcodes 'my atlas.zarr'"


@pytest.mark.parametrize("argv", [["pytest", "-q"], []])
def test_from_python_there_is_no_command_line(monkeypatch, argv):
    monkeypatch.setattr("sys.argv", argv)
    assert current_command() == ""


def test_a_result_says_where_it_comes_from(tmp_path):
    cohort = open_cohort(save_cohort(make_barcodes(3), tmp_path / "b.h5ad"))
    found = provenance(cohort, "classify(b.h5ad)")
    assert json.loads(json.dumps(found)) == found
    assert found["command"] == "classify(b.h5ad)"
    assert found["barcodes"]["path"] == str(tmp_path / "b.h5ad")
    for name in ("fingerprint", "sae_fingerprint", "threshold", "by", "aggregator"):
        assert found["barcodes"][name] == cohort.record[name], name
    assert found["demonstration"] is False
    assert found["software"]
    assert provenance(open_cohort(make_barcodes(3)))["barcodes"]["path"] is None


def test_times_are_utc():
    assert datetime.fromisoformat(now()).utcoffset().total_seconds() == 0
