from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from cytosae_toolkit.atlas.building import build_atlas
from cytosae_toolkit.cli.main import app


@pytest.fixture
def verify():
    return lambda *arguments: CliRunner().invoke(app, ["verify", *map(str, arguments)])


def test_a_whole_run_and_atlas(whole_run, cells, tmp_path, verify):
    atlas = build_atlas(whole_run, cells, tmp_path / "a.atlas.zarr")
    for path, kind in ((whole_run.path, "run"), (atlas.path, "atlas")):
        found = verify(path, "--json")
        assert found.exit_code == 0
        assert json.loads(found.stdout) | {"path": ""} == {"path": "", "kind": kind, "problems": [], "remark": ""}
    assert "is whole" in verify(atlas.path).stdout


def test_a_missing_chunk_and_an_atlas_without_checksums(whole_run, cells, tmp_path, verify):
    atlas = build_atlas(whole_run, cells.subset(np.arange(12)), tmp_path / "a.atlas.zarr")
    shutil.rmtree(atlas.path / "varm" / "ref_rows" / "c")
    found = verify(atlas.path)
    assert found.exit_code == 2
    assert "- varm/ref_rows/c/0/0 is missing." in found.stdout
    assert "1 problem was found" in found.stderr
    (atlas.path / "checksums.json").unlink()
    found = verify(atlas.path)
    assert found.exit_code == 0
    assert "a missing or changed one may go unseen" in found.stdout
    assert "is whole" not in found.stdout


def test_many_broken_files_are_not_all_named(whole_run, cells, tmp_path, verify):
    atlas = build_atlas(whole_run, cells.subset(np.arange(12)), tmp_path / "a.atlas.zarr")
    shutil.rmtree(atlas.path / "varm")
    found = verify(atlas.path)
    assert "The same holds for" in found.stdout
    assert found.stdout.count("is missing.\n") == 20


def test_an_atlas_with_another_sae_and_damaged_pictures(whole_run, cells, tmp_path, verify):
    atlas = build_atlas(whole_run, cells.subset(np.arange(12)), tmp_path / "a.atlas.zarr")
    weights = atlas.path / "run" / "sae.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\x80\x3f")
    chunk = next((atlas.path / "media" / "pictures" / "data" / "c").iterdir())
    chunk.write_bytes(b"")
    found = verify(atlas.path)
    assert found.exit_code == 2
    assert "not the one that it describes" in found.output
    assert "12 of 12 pictures" in found.output


def test_nothing_of_this_program(tmp_path, verify):
    found = verify(tmp_path)
    assert found.exit_code == 2
    assert "not an atlas" in found.output
