from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from cytosae_toolkit.errors import CytosaeError, PluginError
from cytosae_toolkit.training import load_run, train
from cytosae_toolkit.training.run import is_run

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


@pytest.fixture
def run(tiny_config):
    return train(tiny_config(steps=5))


def change_record(run, change) -> None:
    file = run.path / "config.json"
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))


def test_a_run_reopens_with_the_sae_and_the_backbone_that_made_it(run):
    again = load_run(str(run.path))
    tokens = torch.randn(3, 64)
    torch.testing.assert_close(again.sae.encode(tokens), run.sae.encode(tokens), rtol=0, atol=0)
    assert not again.sae.training
    assert again.backbone(device="cpu").fingerprint == run.record["backbone"]["fingerprint"]
    assert repr(again) == f"Run({str(run.path)!r})"
    assert not again.demonstration
    assert not again.imported


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no config.json"),
        ('{"model_type": "bert"}', "is something else's"),
        ("[1, 2]", "is something else's"),
        ('{"format": "cytosae-run"', "is something else's"),
    ],
)
def test_a_folder_that_is_no_run_is_a_sentence(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CytosaeError, match=message):
        load_run(tmp_path)
    assert not is_run(tmp_path)


def test_another_format_version_is_a_sentence(run):
    change_record(run, lambda record: record.update(version=99))
    with pytest.raises(CytosaeError, match=r"format version 99, this program reads 1.*Install"):
        load_run(run.path)
    assert is_run(run.path)  # so that --force may replace it


def test_an_unfinished_run_says_how_to_go_on(run):
    (run.path / "evaluation.json").unlink()
    with pytest.raises(CytosaeError, match=r"is not finished.*--resume"):
        _ = load_run(run.path).sae


@pytest.mark.parametrize("damage", [lambda data: data[:1000], lambda data: b"", lambda data: b"PK\x03\x04" + data])
def test_damaged_weights_are_a_sentence(run, damage):
    file = run.path / "sae.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CytosaeError, match="sae.safetensors"):
        _ = load_run(run.path).sae


def test_weights_of_another_size_are_one_sentence(run):
    weights = load_file(run.path / "sae.safetensors")
    save_file(weights | {"b_enc": torch.zeros(7)}, run.path / "sae.safetensors")
    with pytest.raises(CytosaeError, match=r"'b_enc' is \[7\], but \[128\] is needed") as caught:
        _ = load_run(run.path).sae
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["sae", "backbone"])
def test_a_missing_plugin_says_what_to_install(run, kind):
    other = {"distribution": "lab-plugin", "version": "2.1", "name": "gated"}
    change_record(run, lambda record: record["plugins"][kind].update(other))
    with pytest.raises(
        PluginError, match=r"'gated' of lab-plugin 2\.1, which is not installed.*pip install 'lab-plugin==2\.1'"
    ):
        _ = load_run(run.path).sae if kind == "sae" else load_run(run.path).backbone()


def test_another_fingerprint_is_refused(run):
    change_record(run, lambda record: record["backbone"].update(fingerprint="f" * 32))
    with pytest.raises(CytosaeError, match=r"backbone timm has the fingerprint .* but the run .* ffffffffffff"):
        load_run(run.path).backbone(device="cpu")


def test_without_metrics_there_is_a_sentence(run):
    (run.path / "metrics.csv").unlink()
    with pytest.raises(CytosaeError, match=r"no metrics.csv"):
        _ = load_run(run.path).metrics


def test_a_run_may_be_moved(run, tmp_path):
    moved = shutil.move(run.path, tmp_path / "moved")
    assert load_run(moved).sae.d_sae == 128
