from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import zarr
from PIL import Image
from typer.testing import CliRunner

from cytosae_toolkit.cli.main import app
from cytosae_toolkit.cli.tokens import parse_shard
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenStore, verify_store

BACKBONE = ["--backbone", "timm", "-B", "model=test_vit", "-B", "untrained=true", "-B", "size=32"]


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(70):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i:02}.png")
    return tmp_path / "images"


def run(*arguments):
    return CliRunner().invoke(app, ["tokens", *map(str, arguments)])


def test_a_store_is_made_and_a_second_time_costs_nothing(images, tmp_path):
    first = run(images, "--out", tmp_path / "s", *BACKBONE)
    assert first.exit_code == 0, first.stderr
    assert "70 images added" in first.stdout
    assert "demonstration" not in first.stderr
    second = run(images, "--out", tmp_path / "s", *BACKBONE)
    assert "0 images added, 70 were there" in second.stdout
    assert verify_store(tmp_path / "s").n_images == 70
    assert TokenStore.open(tmp_path / "s").identity.plugin["options"]["model"] == "test_vit"


def test_shards_and_json(images, tmp_path):
    (images / "99.png").write_bytes(b"nothing")
    first = json.loads(run(images, "--out", tmp_path / "s", *BACKBONE, "--shard", "0/2", "--json").stdout)
    second = json.loads(run(images, "--out", tmp_path / "s", *BACKBONE, "--shard", "1/2", "--json").stdout)
    assert (first["n_new"], first["n_left"], first["shard"]) == (64, 7, [0, 2])
    assert (second["n_new"], second["n_reused"], second["n_left"]) == (6, 64, 0)
    assert [item["path"].endswith("99.png") for item in second["skipped"]] == [True]
    assert second["identity"]["layer"] == TokenStore.open(tmp_path / "s").identity.layer


def test_unreadable_images_are_listed_or_refused(images, tmp_path):
    (images / "99.png").write_bytes(b"nothing")
    found = run(images, "--out", tmp_path / "s", *BACKBONE)
    assert found.exit_code == 0
    assert "99.png" in found.stderr
    assert "1 skipped" in found.stdout
    refused = run(images, "--out", tmp_path / "t", *BACKBONE, "--strict")
    assert refused.exit_code == 2
    assert "99.png" in refused.stderr


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        (["--layer", "0"], "layer", 0),
        (["--token-dtype", "float32"], "dtype", "float32"),
        (["--precision", "bfloat16"], "precision", "bfloat16"),
    ],
)
def test_options_change_the_tokens_and_do_not_mix(images, tmp_path, option, key, value):
    assert run(images, "--out", tmp_path / "s", *BACKBONE, *option).exit_code == 0
    assert zarr.open_group(tmp_path / "s", mode="r").attrs[key] == value
    if key != "precision":  # without --precision, the store's is used
        refused = run(images, "--out", tmp_path / "s", *BACKBONE)
        assert refused.exit_code == 2
        assert "asked for is" in refused.stderr


def test_demonstration_backbones_are_named_as_such(images, tmp_path):
    found = run(images, "--out", tmp_path / "s", "--backbone", "nano")
    assert found.exit_code == 0, found.stderr
    assert "demonstration backbone" in found.stderr
    assert TokenStore.open(tmp_path / "s").identity.demonstration


def test_other_folders_are_refused_before_the_backbone_is_loaded(images, tmp_path):
    found = run(images, "--out", images, "--backbone", "no-such")
    assert found.exit_code == 2
    assert "is not a token store" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backbone", "tim"], "timm"),
        ([*BACKBONE, "--layer", "99"], "Layer 99 does not exist"),
        ([*BACKBONE, "--shard", "2/2"], "count from 0"),
        ([*BACKBONE, "--token-dtype", "float61"], "float16"),
        ([*BACKBONE, "-B", "colour=red"], "colour"),
        ([*BACKBONE, "--device", "tpu"], "tpu"),
    ],
)
def test_bad_input_is_one_sentence(images, tmp_path, arguments, words):
    found = run(images, "--out", tmp_path / "s", *arguments)
    assert found.exit_code == 2
    assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "s").exists()


def test_missing_images(tmp_path):
    found = run(tmp_path / "none", "--out", tmp_path / "s", *BACKBONE)
    assert found.exit_code == 2
    assert "none" in found.stderr


@pytest.mark.parametrize("text", ["", "1", "1/", "-1/2", "2/2", "0/0", "a/b", "1/2/3"])
def test_malformed_shard(text):
    with pytest.raises(CytosaeError, match="not of the form I/N"):
        parse_shard(text)


def test_shard_is_read():
    assert parse_shard("3/12") == (3, 12)


def test_the_module_imports_nothing_heavy():
    code = "import sys, cytosae_toolkit.cli.tokens as _; print({'torch', 'numpy', 'zarr'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
