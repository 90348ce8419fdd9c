from __future__ import annotations

import json
import os
import signal

import pandas as pd
import pytest
import typer
import yaml
from typer.testing import CliRunner

from cytosae_toolkit.cli import sweep as command
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


def sweep(*arguments: object):
    app = typer.Typer(cls=HandlingGroup)
    app.callback()(lambda: None)
    command.register(app)
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)])


@pytest.fixture
def write(tiny_backbone, tmp_path):
    """Return a function that writes the file of a tiny sweep."""

    def file(**parts):
        base = {
            "backbone": "timm", "backbone_options": dict(tiny_backbone), "expansion": 2, "steps": 6, "batch_tokens": 32
        }  # fmt: skip
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump({"base": base, **parts}))
        return path

    return file


def test_a_sweep_from_file_to_table(write, tiny_images, tmp_path):
    file, out = write(grid={"layer": [2, 4]}), tmp_path / "s"
    found = sweep(file, tiny_images, "--out", out, "--seeds", "0, 1", "--device", "cpu", "--quiet")
    assert found.exit_code == 0, found.stderr
    assert "layer = 2" in found.stdout
    assert "2/2" in found.stdout
    assert " ± " in found.stdout
    assert [len(pd.read_csv(out / name)) for name in ("runs.csv", "sweep.csv")] == [4, 2]
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    listed = json.loads(sweep(file, "--out", out, "--seeds", "0,1,2", "--list", "--json").stdout)["runs"]
    assert [row["state"] for row in listed] == ["finished", "finished", "waiting"] * 2


def test_shards_list_their_runs(write):
    names = [sweep(write(seeds=[0, 1, 2]), "--list", "--shard", f"{i}/2").stdout.split() for i in (0, 1)]
    assert [len(part) // 2 for part in names] == [2, 1]


def test_a_table_of_what_is_there(write, tiny_images, tmp_path):
    file = write(seeds=[0, 1])
    assert sweep(file, "--table", "--out", tmp_path / "s").exit_code == 2
    sweep(file, tiny_images, "--out", tmp_path / "s", "--shard", "0/2", "--device", "cpu", "--quiet")
    found = json.loads(sweep(file, "--table", "--out", tmp_path / "s", "--json", "--quiet").stdout)
    assert [run["state"] for run in found["runs"]] == ["finished", "waiting"]
    assert (found["points"][0]["n_finished"], found["points"][0]["fvu_sd"], found["outcome"]) == (1, None, None)


def test_a_failed_point_is_an_error_at_the_end(write, tiny_images, tmp_path):
    file = write(vary={"layer": [99]})
    found = sweep(file, tiny_images, "--out", tmp_path / "s", "--device", "cpu", "--quiet", "--json")
    assert found.exit_code == 2
    assert "1 of 2 runs failed; the first, layer-99" in found.stderr
    assert [run["state"] for run in json.loads(found.stdout)["runs"]] == ["finished", "failed"]
    assert len(list((tmp_path / "s" / "failed").iterdir())) == 1


def test_ctrl_c_saves_and_the_same_command_goes_on(write, tiny_images, tmp_path, monkeypatch):
    arguments = (write(), tiny_images, "--out", tmp_path / "s", "--device", "cpu", "--quiet")
    step = Trainer.train_step

    def interrupted(self, tokens):
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, tokens)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", interrupted)
        found = sweep(*arguments)
    assert found.exit_code == 130
    assert "Interrupted after step 4 of a run; 0 of 1 runs are finished" in found.stderr
    assert sweep(*arguments).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "s"], "There are no images"),
        (["images"], "A sweep needs a folder"),
        (["images", "--out", "s", "--seeds", "a"], "--seeds 'a' is not a list of whole numbers"),
        (["images", "--out", "s", "--seeds", "1,-1"], "is not a list of whole numbers"),
        (["images", "--out", "s", "--shard", "2/2"], "--shard '2/2' is not of the form I/N"),
        (["images", "--out", "s"], "images"),
    ],
)
def test_mistakes_are_sentences(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = sweep("quick", *arguments)
    assert found.exit_code == 2
    assert message in found.stderr
    assert not any(tmp_path.iterdir())


def test_shipped_sweeps_list_anywhere():
    found = sweep("paper-ablation", "--list")
    assert found.exit_code == 0
    assert found.stdout.count("waiting") == 33
    assert sweep("paper-ablatio", "--list").exit_code == 2
