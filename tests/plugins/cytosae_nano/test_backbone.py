"""The demonstration backbone `nano`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from cytosae_nano import NanoOptions, architecture, backbone, cytosae_backbones
from safetensors.torch import load_file, save_file

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.vit import TimmBackbone
from cytosae_toolkit.testing import BackboneConformance

needs_weights = pytest.mark.skipif(not backbone.WEIGHTS.exists(), reason="nano.safetensors is not there")


def untrained(**changes: object) -> TimmBackbone:
    return backbone.build(NanoOptions(**{"untrained": True, **changes}), device="cpu")


class TestContractUntrained(BackboneConformance):
    def create(self) -> TimmBackbone:
        return untrained()


@needs_weights
class TestContract(BackboneConformance):
    def create(self) -> TimmBackbone:
        return backbone.build(NanoOptions(), device="cpu")


def test_it_says_that_it_is_a_demonstration() -> None:
    (spec,) = cytosae_backbones()
    assert spec.demonstration
    assert spec.summary.startswith("Demonstration backbone")
    assert not spec.weights


def test_shape() -> None:
    nano = untrained()
    assert (nano.grid, nano.patch_size, nano.n_tokens) == ((16, 16), (8, 8), 257)
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    assert nano.tokens(nano.preprocess(image)[None], -1).shape == (1, 257, nano.d_model)
    np.testing.assert_allclose(nano.patch_boxes((128, 256))[-1], [240, 120, 256, 128])


def test_untrained_weights_follow_the_seed() -> None:
    assert untrained(seed=1).fingerprint == untrained(seed=1).fingerprint
    assert len({untrained().fingerprint, untrained(seed=1).fingerprint, untrained(crop=True).fingerprint}) == 3


def test_half_precision_weights_are_computed_with_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {name: tensor.half() for name, tensor in architecture.build().state_dict().items()}
    save_file(state, tmp_path / "nano.safetensors")
    monkeypatch.setattr(backbone, "WEIGHTS", tmp_path / "nano.safetensors")
    nano = backbone.build(NanoOptions(), device="cpu")
    loaded = nano.model.state_dict()
    assert all(tensor.dtype == torch.float32 for tensor in loaded.values())
    assert all(torch.equal(loaded[name], state[name].float()) for name in state)


def test_missing_weights_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbone, "WEIGHTS", tmp_path / "nano.safetensors")
    with pytest.raises(CytosaeError, match="do not exist"):
        backbone.build(NanoOptions(), device="cpu")


@needs_weights
def test_the_wheels_weights_are_small_half_precision_and_not_random() -> None:
    assert backbone.WEIGHTS.stat().st_size <= 6_000_000
    assert {tensor.dtype for tensor in load_file(backbone.WEIGHTS).values()} == {torch.float16}
    nano = backbone.build(NanoOptions(), device="cpu", offline=True)
    assert nano.fingerprint != untrained().fingerprint
