from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from cytosae_toolkit.tokens import TokenStore
from cytosae_toolkit.training import TrainConfig, recording, train
from cytosae_toolkit.training.run import is_run

pytestmark = pytest.mark.usefixtures("no_loggers", "no_trials")


def test_from_images_to_a_run_folder(tiny_config, tiny_images):
    run = train(tiny_config(sae_options={"l1_coefficient": 1e-3}))
    assert {path.name for path in run.path.iterdir()} == {
        "config.json", "images.csv", "sae.safetensors", "metrics.csv", "evaluation.json", "state"
    }  # fmt: skip
    assert run.completed
    assert (run.record["d_model"], run.record["d_sae"], run.layer) == (64, 128, 4)
    assert list(run.metrics["step"]) == [5, 10, 15, 20]
    assert run.sae.options.l1_coefficient == 1e-3
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(run.path / "sae.safetensors").items()}
    assert shapes == {"W_enc": (64, 128), "b_enc": (128,), "W_dec": (128, 64), "b_dec": (64,)}
    torch.testing.assert_close(run.sae.W_dec.norm(dim=1), torch.ones(128))
    assert run.config["images"] == [str(tiny_images)]


def test_what_was_left_open_is_recorded_with_its_origin(tiny_config):
    run = train(tiny_config(expansion=None, batch_tokens=None))
    assert (run.config["d_sae"], run.config["expansion"], run.config["batch_tokens"]) == (512, 8.0, 22 * 5)
    recommended = type(run.sae).recommended_lr
    assert (run.config["lr"], run.config["warmup_steps"], run.config["precision"]) == (recommended, 1, "float32")
    origins = run.record["origins"]
    assert set(origins) == set(TrainConfig.model_fields)
    assert [origins[name] for name in ("steps", "expansion", "batch_tokens", "lr", "seed")] == [
        "option", "data", "data", "sae", "default"
    ]  # fmt: skip
    assert run.record["plugins"]["sae"]["name"] == "relu-l1"
    assert run.record["software"]["torch"] == torch.__version__.split("+")[0]


def test_demonstration_backbones_are_stamped(tiny_config):
    assert not train(tiny_config(steps=1)).demonstration
    nano = tiny_config(backbone="nano", backbone_options={"untrained": True}, steps=1, expansion=1.0)
    run = train(nano, force=True)
    assert run.demonstration
    assert TokenStore.open(Path(run.record["token_store"])).identity.demonstration


def test_records_are_plain_json(tiny_config):
    run = train(tiny_config())
    assert is_run(run.path)
    for name in ("config.json", "evaluation.json"):
        text = (run.path / name).read_text()
        assert "NaN" not in text
        json.loads(text)


def test_no_patient_is_on_both_sides(tiny_config, patients):
    run = train(tiny_config(images=str(patients), held_out=0.3))
    table = pd.read_csv(run.path / "images.csv")
    assert set(table["split"]) == {"train", "held-out"}
    assert (table.groupby("patient")["split"].nunique() == 1).all()
    assert run.record["images"]["split_unit"] == "patient"
    assert len(table) == run.record["images"]["n_train"] + run.record["images"]["n_held_out"]


def test_no_group_is_on_both_sides(tiny_config, patients):
    run = train(tiny_config(images=str(patients.with_name("groups.csv")), held_out=0.3))
    table = pd.read_csv(run.path / "images.csv")
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert run.record["images"]["split_unit"] == "group"


def test_a_kill_between_the_two_files_of_the_result_is_no_end(tiny_config, monkeypatch):
    """The weights of 20 steps must not pass for those of 30."""
    run = train(tiny_config())
    longer = TrainConfig(images=tiny_config().images, out=run.path, steps=30)
    real = recording.write_json

    def killed(path, value):
        if path.name == "evaluation.json":
            raise KeyboardInterrupt
        real(path, value)

    monkeypatch.setattr(recording, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        train(longer, resume=True)
    monkeypatch.setattr(recording, "write_json", real)
    assert train(longer, resume=True).evaluation["steps"] == 30
    fresh = train(tiny_config(steps=30, out=run.path.with_name("fresh"), warmup_steps=1, lr_decay=0.2))
    assert load_file(run.path / "sae.safetensors").keys() == load_file(fresh.path / "sae.safetensors").keys()
