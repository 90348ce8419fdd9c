from __future__ import annotations

import json
import os

import pytest
import torch
from typer.testing import CliRunner

from cytosae_toolkit.cli.main import app
from cytosae_toolkit.training import load_run


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def checkpoint(tmp_path):
    state = {
        "W_enc": torch.zeros(384, 4), "b_enc": torch.zeros(4), "W_dec": torch.zeros(4, 384), "b_dec": torch.zeros(384)
    }  # fmt: skip
    torch.save({"cfg": {"block_layer": -2, "model_name": "dinov2_vits14"}, "state_dict": state}, tmp_path / "a.pt")
    return tmp_path / "a.pt"


def run(*arguments: object):
    return CliRunner().invoke(app, ["import-checkpoint", *(str(argument) for argument in arguments)])


def test_it_says_what_was_imported(checkpoint, tmp_path):
    result = run(checkpoint, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "4 latents for block 10 of dinobloom-s (tokens of length 384)" in result.stdout
    assert "weights are not at hand" in result.stderr
    assert load_run(tmp_path / "run").sae.d_sae == 4


def test_json_quiet_and_force(checkpoint, tmp_path):
    document = json.loads(run(checkpoint, "--out", tmp_path / "run", "--json").stdout)
    assert document["run"] == str(tmp_path / "run")
    assert document["config"]["published_config"]["block_layer"] == -2
    refused = run(checkpoint, "--out", tmp_path / "run")
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    forced = run(checkpoint, "--out", tmp_path / "run", "--force", "--quiet", "--layer", "3")
    assert forced.exit_code == 0
    assert forced.stderr == ""
    assert "block 3" in forced.stdout


def test_bad_input_is_one_sentence(checkpoint, tmp_path):
    torch.save({"cfg": Evil(tmp_path / "hacked"), "state_dict": {}}, tmp_path / "evil.pt")
    (tmp_path / "cut.pt").write_bytes(checkpoint.read_bytes()[:500])
    for arguments, message in (
        ((checkpoint, "--backbone", "dinobloom-b"), "tokens of dinobloom-b have length 768"),
        ((checkpoint, "--layer", "12"), "Layer 12 does not exist"),
        ((tmp_path / "absent.pt",), "do not exist"),
        ((tmp_path / "cut.pt",), "truncated or damaged"),
        ((tmp_path / "evil.pt",), "nothing in it was executed"),
    ):
        result = run(*arguments, "--out", tmp_path / "run")
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert not (tmp_path / "run").exists()
    assert not (tmp_path / "hacked").exists()
