from __future__ import annotations

import json

import numpy as np
import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images import Split, read_images
from cytosae_toolkit.training.config import TrainConfig
from cytosae_toolkit.training.provenance import check_resumable, images_digest, software_versions

RECORDED = {
    "images": ["cells"], "out": "run", "backbone": "timm", "backbone_options": {"size": "32"}, "expansion": 1.5,
    "d_sae": 96, "steps": 100, "batch_tokens": 64, "batch_images": None, "lr": 4e-4, "warmup_steps": 5,
    "seed": 0, "device": "cpu", "precision": "float32", "workers": 3, "log_every": 50,
}  # fmt: skip


SAE = {
    "kind": "sae", "name": "relu-l1", "distribution": "cytosae-toolkit", "version": "0.1.0", "api": [1, 0],
    "options": {},
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A run folder with nothing but its record."""
    record = {"format": "cytosae-run", "version": 1, "d_model": 64, "d_sae": 96, "config": RECORDED}
    record["plugins"] = {"sae": SAE}
    (tmp_path / "config.json").write_text(json.dumps(record))
    return tmp_path


def resumed(run, **values) -> TrainConfig:
    return check_resumable(TrainConfig(images="cells", out=run, **values))


def test_what_is_not_set_is_taken_from_the_run(run):
    config = resumed(run)
    assert (config.backbone, config.d_sae, config.expansion, config.steps) == ("timm", 96, None, 100)
    assert (config.lr, config.warmup_steps, config.workers, config.out) == (4e-4, 5, 3, run)


def test_what_does_not_change_the_result_may_be_set_anew(run):
    config = resumed(run, workers=1, log_every=5, device="auto", steps=150, token_store=False)
    assert (config.workers, config.log_every, config.steps, config.token_store) == (1, 5, 150, False)


def test_a_plugin_that_is_gone_is_named_with_what_to_install(run):
    record = json.loads((run / "config.json").read_text())
    record["plugins"]["sae"] = SAE | {"name": "jump-relu", "distribution": "somebodys-plugin"}
    (run / "config.json").write_text(json.dumps(record))
    with pytest.raises(CytosaeError, match=r"pip install.*somebodys-plugin"):
        resumed(run, sae="jump-relu")


@pytest.mark.parametrize(
    "values",
    [{"expansion": 1.5}, {"expansion": 1.499}, {"d_sae": 96}, {"batch_tokens": 64}, {"precision": "auto"},
     {"backbone_options": {"size": 32}}, {"steps": 100}],
    ids=str,
)  # fmt: skip
def test_the_same_said_again_is_no_contradiction(run, values):
    assert resumed(run, **values).d_sae == 96


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 1e-3}, "lr = 0.0004, now lr = 0.001"),
        ({"expansion": 1.6}, "expansion = 1.5, now expansion = 1.59375"),
        ({"batch_images": 2}, "batch_images = None, now batch_images = 2"),
        ({"backbone_options": {"size": 64}}, "backbone_options"),
        ({"steps": 99}, "planned for 100 steps, 99 are fewer"),
    ],
    ids=str,
)
def test_a_contradiction_names_both(run, values, message):
    with pytest.raises(CytosaeError, match=message):
        resumed(run, **values)


def test_where_no_run_is_the_configuration_stays(tmp_path):
    config = TrainConfig(images="cells", out=tmp_path / "none", seed=7)
    assert check_resumable(config) is config


def test_an_imported_run_has_nothing_to_go_on_from(run):
    record = json.loads((run / "config.json").read_text()) | {"imported_from": "published.pt", "config": {}}
    (run / "config.json").write_text(json.dumps(record))
    with pytest.raises(CytosaeError, match="was imported"):
        resumed(run)


def test_the_digest_is_of_content_order_and_split(tiny_images):
    images = read_images(tiny_images)
    split = Split(np.arange(20), np.arange(20, 24), "group")
    digest = images_digest(images, split)
    assert digest == images_digest(read_images(tiny_images), split)
    assert digest != images_digest(images.subset(np.arange(24)[::-1]), split)
    assert digest != images_digest(images.subset(np.arange(23)), split)
    assert digest != images_digest(images, Split(np.arange(21), np.arange(21, 24), "group"))


def test_versions_of_what_decides_results():
    found = software_versions()
    assert {"python", "platform", "torch", "timm", "numpy", "pillow", "cytosae-toolkit"} == set(found)
    assert "unknown" not in found.values()
