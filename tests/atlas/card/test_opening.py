from __future__ import annotations

import numpy as np
import pytest
import torch

from cytosae_toolkit.atlas.card.opening import check_comparable, open_tokens, untrained_backbone, untrained_sae
from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT
from cytosae_toolkit.training import load_run, train


def test_the_untrained_sae_is_the_trained_one_before_its_first_step(tiny_run, masked_table):
    view = open_tokens(tiny_run, masked_table, tiny_run.backbone(device="cpu"), {}, SILENT)
    first, again, other = (untrained_sae(tiny_run, view, seed=seed, device="cpu") for seed in (0, 0, 1))
    assert torch.equal(first.W_enc, again.W_enc)
    assert not torch.equal(first.W_enc, other.W_enc)
    assert (first.d_model, first.d_sae, type(first)) == (64, 128, type(tiny_run.sae))
    assert not torch.equal(first.W_enc, tiny_run.sae.W_enc)
    norms = first.decoder_directions.norm(dim=1)
    np.testing.assert_allclose(norms.numpy(), 1, rtol=1e-5)


def test_tokens_come_from_the_runs_store_unless_another_is_named(tiny_config, no_loggers, no_trials, masked_table, tmp_path):  # noqa: E501  # fmt: skip
    run = train(tiny_config(held_out=0.0, steps=1, tokens=tmp_path / "store"))
    backbone = run.backbone(device="cpu")
    assert open_tokens(run, masked_table, backbone, {}, SILENT).store.path == tmp_path / "store"
    assert open_tokens(run, masked_table, backbone, {"store": tmp_path / "b"}, SILENT).store.path == tmp_path / "b"
    assert open_tokens(run, masked_table, backbone, {"no_store": True}, SILENT).store is None
    assert not (cache_folder() / "tokens").exists()


def test_the_untrained_backbone_has_other_weights_and_the_same_patches(tiny_run):
    own, random = tiny_run.backbone(device="cpu"), untrained_backbone(tiny_run, device="cpu")
    assert random.fingerprint != own.fingerprint
    assert (random.grid, random.d_model, random.layers) == (own.grid, own.d_model, own.layers)


def test_backbones_without_random_weights_say_so(tiny_run):
    tiny_run.record["plugins"]["backbone"] |= {"name": "dinobloom-s", "options": {}}
    with pytest.raises(CytosaeError, match="dinobloom-s offers no random weights"):
        untrained_backbone(tiny_run, device="cpu")


def test_runs_on_other_tokens_are_not_compared(tiny_run):
    other = load_run(tiny_run.path)
    check_comparable(tiny_run, other)
    other.record["backbone"]["layer"] = 1
    with pytest.raises(CytosaeError, match="differ in their layer: 4 and 1"):
        check_comparable(tiny_run, other)
