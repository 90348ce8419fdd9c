from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.cli.main import app


@pytest.fixture
def atlas_command():
    return lambda *arguments: CliRunner().invoke(app, ["atlas", *map(str, arguments)])


@pytest.fixture
def halves(cells, cell_table: Path, tmp_path):
    """Two tables: images of the north and of the south."""
    files = []
    for name, rows in (("north", np.arange(90)), ("south", np.arange(90, 150))):
        files.append(cell_table.parent / f"{name}.csv")
        cells.subset(rows).save(files[-1])
    return files


def test_build_add_and_info(atlas_command, whole_run, halves, tmp_path):
    out = tmp_path / "a.atlas.zarr"
    built = atlas_command("build", whole_run.path, halves[0], "--out", out, "--threshold", 3, "--quiet")
    assert built.exit_code == 0, built.output
    assert "north: 90 images" in built.stdout
    assert open_atlas(out).record["threshold"] == 3
    assert atlas_command("add", out, halves[1], "--quiet").exit_code == 0
    found = json.loads(atlas_command("info", out, "--json").stdout)
    assert [entry["name"] for entry in found["sets"]] == ["north", "south"]
    assert found["n_images"] == 150
    assert found["agreement"][0]["n_both"] > 0
    text = atlas_command("info", out).stdout
    assert "rank correlation of mean activation" in text
    assert "latents by log10 mean activation" in text


def test_shards_in_any_order_merge(atlas_command, whole_run, cell_table, tmp_path):
    for i in (1, 0):
        part = atlas_command(
            "build", whole_run.path, cell_table, "--out", tmp_path / f"p{i}", "--shard", f"{i}/2", "--quiet"
        )
        assert part.exit_code == 0, part.output
    merged = atlas_command("merge", tmp_path / "p1", tmp_path / "p0", "--out", tmp_path / "a.atlas.zarr", "--quiet")
    assert merged.exit_code == 0, merged.output
    assert open_atlas(tmp_path / "a.atlas.zarr").n_images == 150
    again = atlas_command("merge", tmp_path / "p1", "--out", tmp_path / "b.atlas.zarr")
    assert again.exit_code == 2
    assert "shards 0 of 2 are missing" in again.output


def test_a_threshold_that_keeps_nothing_is_warned_of(atlas_command, whole_run, halves, tmp_path):
    found = atlas_command(
        "build", whole_run.path, halves[0], "--out", tmp_path / "a.atlas.zarr", "--threshold", 500, "--quiet"
    )
    assert "counts say little" in found.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["build", "RUN", "TABLE", "--out", "a.zarr"], "ends in .atlas.zarr"),
        (["build", "RUN", "TABLE", "--out", "a.atlas.zarr", "--shard", "4/4"], "Shards count from 0"),
        (["build", "RUN", "TABLE", "--out", "a.atlas.zarr", "--aggregator", "cout"], "Did you mean count"),
        (["build", "RUN", "TABLE", "--out", "a.atlas.zarr", "-A", "treshold=1"], "treshold"),
        (["build", "TABLE", "TABLE", "--out", "a.atlas.zarr"], "is not a run"),
        (["info", "nowhere.atlas.zarr"], "does not exist"),
        (["info", "RUN"], "is not an atlas"),
    ],
)
def test_bad_input_is_one_sentence(atlas_command, whole_run, cell_table, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    places = {"RUN": whole_run.path, "TABLE": cell_table}
    found = atlas_command(*(places.get(argument, argument) for argument in arguments))
    assert found.exit_code == 2
    assert sentence in " ".join(found.output.split())
    assert not list(tmp_path.glob("*.atlas.zarr"))


def test_an_atlas_of_another_version_or_half_written(atlas_command, whole_run, halves, tmp_path, monkeypatch):
    out = tmp_path / "a.atlas.zarr"
    atlas_command("build", whole_run.path, halves[1], "--out", out, "--quiet")
    with monkeypatch.context() as patch:
        patch.setattr("cytosae_toolkit.atlas.record.VERSION", 2)
        found = atlas_command("info", out)
    assert found.exit_code == 2
    assert "has format version 1, this program reads 2" in " ".join(found.output.split())
    (out / "zarr.json").unlink()
    found = atlas_command("info", out)
    assert found.exit_code == 2
    assert "only half of one" in found.output
