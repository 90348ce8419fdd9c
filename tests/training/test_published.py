from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.training import import_checkpoint, load_run

D_MODEL, D_SAE = 384, 8
CONFIG = {"block_layer": -2, "model_name": "dinov2_vits14", "l1_coefficient": 1e-4, "dead_feature_window": 10}


class Config:
    """Pickled by reference to a class; the reader sees attributes only."""

    def __init__(self, **values):
        self.__dict__.update(values)


class Evil:
    """Creates a file when it is unpickled the ordinary way."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def checkpoint(tmp_path):
    """Return a function that writes a checkpoint; None leaves a tensor out."""

    def write(config=None, **changes):
        state = {
            "W_enc": torch.randn(D_MODEL, D_SAE, generator=torch.Generator().manual_seed(0)),
            "b_enc": torch.zeros(D_SAE),
            "W_dec": torch.randn(D_SAE, D_MODEL, generator=torch.Generator().manual_seed(1)),
            "b_dec": torch.zeros(D_MODEL),
        } | changes
        state = {name: tensor for name, tensor in state.items() if tensor is not None}
        path = tmp_path / "published.pt"
        torch.save({"cfg": CONFIG if config is None else config, "state_dict": state}, path)
        return path

    return write


def test_the_published_checkpoint_gives_the_published_numbers(shared_data, tmp_path):
    run = import_checkpoint(shared_data / "parity/cytosae_checkpoint.pt", tmp_path / "run")
    with np.load(shared_data / "parity/cytosae_checkpoint_expected.npz") as expected:
        with torch.no_grad():
            latents = run.sae.encode(torch.from_numpy(expected["x"]))
            reconstruction = run.sae.decode(latents)
        for ours, theirs in ((latents, expected["activations"]), (reconstruction, expected["reconstruction"])):
            assert np.abs(ours.numpy() - theirs).max() <= 1e-5 * np.abs(theirs).max()
    assert (run.record["d_model"], run.record["d_sae"], run.layer) == (384, 1536, 10)
    assert run.config["backbone"] == "dinobloom-s"
    assert run.imported
    assert run.record["published_config"]["block_layer"] == -2
    json.dumps(run.record["published_config"])  # inert: plain values


def test_a_backbone_of_another_width_is_refused(shared_data, tmp_path):
    with pytest.raises(CytosaeError, match=r"tokens of length 384, the tokens of dinobloom-b have length 768"):
        import_checkpoint(shared_data / "parity/cytosae_checkpoint.pt", tmp_path / "run", backbone="dinobloom-b")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_becomes_a_run(checkpoint, tmp_path):
    run = import_checkpoint(checkpoint(), tmp_path / "run")
    assert {path.name for path in run.path.iterdir()} == {"config.json", "sae.safetensors", "evaluation.json"}
    again = load_run(tmp_path / "run")
    assert again.completed
    assert again.record["plugins"]["sae"]["options"]["l1_coefficient"] == 1e-4
    assert again.record["plugins"]["sae"]["options"]["dead_feature_window"] == 10
    assert again.record["imported_from"] == "published.pt"
    assert again.record["backbone"]["fingerprint"] is None  # no weights at hand
    assert torch.equal(again.sae.W_enc, torch.randn(D_MODEL, D_SAE, generator=torch.Generator().manual_seed(0)))


def test_the_configuration_may_be_an_object_of_a_class_that_is_not_there(checkpoint, tmp_path):
    assert import_checkpoint(checkpoint(Config(**CONFIG)), tmp_path / "run").layer == 10


def test_backbone_and_layer_may_be_said(checkpoint, tmp_path):
    wide = {
        "W_enc": torch.randn(64, 3), "b_enc": torch.zeros(3), "W_dec": torch.randn(3, 64), "b_dec": torch.zeros(64)
    }  # fmt: skip
    options = {"model": "test_vit", "untrained": True, "size": 32}
    run = import_checkpoint(
        checkpoint({}, **wide), tmp_path / "run", backbone="timm", backbone_options=options, layer=1
    )
    assert run.layer == 1
    assert run.backbone(device="cpu").fingerprint == run.record["backbone"]["fingerprint"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": {}}, "names the backbone ''.*--backbone"),
        ({"config": CONFIG | {"block_layer": None}}, "which layer it reads.*--layer"),
        ({"config": CONFIG | {"block_layer": True}}, "which layer it reads"),
        ({"config": CONFIG | {"block_layer": 12}}, "Layer 12 does not exist: dinobloom-s has 12 blocks"),
        ({"config": CONFIG | {"model_name": "resnet"}}, "backbone 'resnet'"),
        ({"config": CONFIG | {"l1_coefficient": "large"}}, "l1_coefficient='large'"),
        ({"W_dec": None}, "has no W_dec"),
        ({"W_enc": torch.zeros(5)}, r"W_enc in .* has the shape \(5,\)"),
        ({"b_enc": torch.zeros(9)}, r"b_enc in .* has the shape \(9,\), not \(8,\)"),
        ({"W_dec": torch.zeros(D_MODEL, D_SAE)}, r"W_dec in .* has the shape \(384, 8\), not \(8, 384\)"),
        ({"b_dec": torch.full((D_MODEL,), float("nan"))}, "b_dec in .* NaN or infinite"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_a_sentence(checkpoint, tmp_path, arguments, message):
    with pytest.raises(CytosaeError, match=message):
        import_checkpoint(checkpoint(**arguments), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("where", ["config", "attribute", "tensor"])
def test_nothing_in_a_hostile_file_is_executed(checkpoint, tmp_path, where):
    evil = Evil(tmp_path / "hacked")
    arguments = {
        "config": {"config": evil},
        "attribute": {"config": Config(**CONFIG, extra=evil)},
        "tensor": {"W_enc": evil},
    }[where]
    file = checkpoint(**arguments)
    with pytest.raises(CytosaeError, match="nothing in it was executed"):
        import_checkpoint(file, tmp_path / "run")
    assert not (tmp_path / "hacked").exists()
    torch.load(file, weights_only=False)  # the ordinary way it would have been
    assert (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"# notes\n"],
    ids=["cut", "empty", "text"],
)
def test_a_damaged_file_is_a_sentence(checkpoint, tmp_path, damage):
    file = checkpoint()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CytosaeError, match="published.pt"):
        import_checkpoint(file, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_something_else_is_a_sentence(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(CytosaeError, match="no CytoSAE checkpoint"):
        import_checkpoint(tmp_path / "other.pt", tmp_path / "run")
    with pytest.raises(CytosaeError, match="do not exist"):
        import_checkpoint(tmp_path / "absent.pt", tmp_path / "run")


def test_an_existing_run_is_replaced_by_force_alone(checkpoint, tmp_path):
    file = checkpoint()
    import_checkpoint(file, tmp_path / "run")
    with pytest.raises(CytosaeError, match="--force"):
        import_checkpoint(file, tmp_path / "run")
    assert import_checkpoint(checkpoint(b_enc=torch.ones(D_SAE)), tmp_path / "run", force=True).sae.b_enc.sum() == D_SAE
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "config.json").write_text("{}")
    with pytest.raises(CytosaeError, match="is not a run"):
        import_checkpoint(file, tmp_path / "foreign", force=True)


def test_backbone_weights_that_were_named_must_be_good(checkpoint, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"nonsense")
    with pytest.raises(CytosaeError, match="weights.pth"):
        import_checkpoint(
            checkpoint(), tmp_path / "run", backbone_options={"checkpoint": str(tmp_path / "weights.pth")}
        )
