"""The backbone `timm`: sources of weights, its own preprocessing, options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from cytosae_timm import TimmOptions, backbone
from cytosae_timm.backbone import build
from pydantic import ValidationError
from safetensors.torch import save_file

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.vit import TimmBackbone
from cytosae_toolkit.testing import BackboneConformance

TINY = "test_vit"
"""timm's smallest vision transformer: 160 pixels, patches of 16."""


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return timm.create_model(TINY).state_dict()


def untrained(**changes: object) -> TimmBackbone:
    return build(TimmOptions(**{"model": TINY, "untrained": True, **changes}), device="cpu")


class TestContract(BackboneConformance):
    def create(self) -> TimmBackbone:
        return untrained()


class TestContractOfACrop(BackboneConformance):
    def create(self) -> TimmBackbone:
        return untrained(crop=True)


def test_published_weights_give_timms_own_tokens(shared_data: Path) -> None:
    path = shared_data / "weights" / "vit_tiny_patch16_224.safetensors"
    ours = build(TimmOptions(checkpoint=path), device="cpu")
    assert (ours.d_model, ours.layers, ours.grid, ours.prefix_tokens) == (192, 12, (14, 14), 1)
    model = timm.create_model("vit_tiny_patch16_224", checkpoint_path=str(path)).eval()
    image = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    batch = ours.preprocess(image)[None]
    with torch.no_grad():
        expected = model.get_intermediate_layers(batch, n=[10], return_prefix_tokens=True)[0]
    tokens = ours.tokens(batch, -2)
    torch.testing.assert_close(tokens[:, 1:], expected[0])
    torch.testing.assert_close(tokens[:, :1], expected[1])


def test_preprocessing_is_the_models_own_without_its_crop(shared_data: Path) -> None:
    own = untrained(model="vit_tiny_patch16_224").preprocessing
    assert (own.size, own.mean, own.std) == ((224, 224), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert own.interpolation == "bicubic"
    np.testing.assert_allclose(untrained().patch_boxes((100, 200))[-1][2:], [200, 100])


CHANGES = [
    {"seed": 1},
    {"size": 96},
    {"mean": (0.1, 0.2, 0.3)},
    {"std": (0.1, 0.2, 0.3)},
    {"interpolation": "bilinear"},
    {"crop": True},
    {"model": "test_vit2"},
]


@pytest.mark.parametrize("change", CHANGES, ids=[next(iter(change)) for change in CHANGES])
def test_every_option_changes_the_tokens(change: dict[str, object]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    usual, other = untrained(), untrained(**change)
    assert usual.fingerprint != other.fingerprint
    tokens = [vit.tokens(vit.preprocess(image)[None], 0) for vit in (usual, other)]
    assert tokens[0].shape != tokens[1].shape or not torch.equal(*tokens)


def test_untrained_weights_follow_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert untrained(seed=7).fingerprint == untrained(seed=7).fingerprint
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin"])
def test_local_checkpoints_in_every_format(tmp_path: Path, state: dict[str, torch.Tensor], suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, path)
    ours = build(TimmOptions(model=TINY, checkpoint=path), device="cpu")
    torch.testing.assert_close(ours.model.state_dict()["pos_embed"], state["pos_embed"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm.weight": None}, "'norm.weight' is missing"),
        ({"pos_embed": torch.ones(1, 5, 64)}, r"'pos_embed' is \[1, 5, 64\], but"),
        ({"decoder.weight": torch.ones(3)}, "holds 'decoder.weight'"),
    ],
)
def test_checkpoints_that_do_not_fit(
    tmp_path: Path, state: dict[str, torch.Tensor], change: dict[str, torch.Tensor | None], message: str
) -> None:
    save_file({name: value for name, value in {**state, **change}.items() if value is not None}, tmp_path / "w")
    with pytest.raises(CytosaeError, match=message):
        build(TimmOptions(model=TINY, checkpoint=tmp_path / "w"), device="cpu")


def test_a_hostile_checkpoint_is_refused(tmp_path: Path) -> None:
    command = f"touch {tmp_path / 'executed'}".encode()
    pickled = b"\x80\x02cposix\nsystem\nX" + len(command).to_bytes(4, "little") + command + b"\x85R."
    (tmp_path / "bad.pth").write_bytes(pickled)
    with pytest.raises(CytosaeError, match="nothing in it was executed"):
        build(TimmOptions(model=TINY, checkpoint=tmp_path / "bad.pth"), device="cpu")
    assert not (tmp_path / "executed").exists()


def test_unknown_models_offer_the_nearest() -> None:
    with pytest.raises(CytosaeError, match=r"no model 'vit_tiny_patch16_225'.*vit_tiny_patch16_224"):
        untrained(model="vit_tiny_patch16_225")


@pytest.mark.parametrize("model", ["resnet18", "test_convnext"])
def test_other_networks_are_refused(model: str) -> None:
    with pytest.raises(CytosaeError, match=f"{model} .*is no plain vision transformer"):
        untrained(model=model)


def test_a_size_that_patches_do_not_divide_is_a_sentence() -> None:
    with pytest.raises(CytosaeError, match="no multiple of the patches of 16 x 16 pixels"):
        untrained(size=100)


def test_offline_says_how_to_get_weights() -> None:
    with pytest.raises(CytosaeError, match=r"may not be downloaded offline.*checkpoint=PATH.*untrained=true"):
        build(TimmOptions(model=TINY), device="cpu", offline=True)


def test_offline_uses_what_was_downloaded_before(
    tmp_path: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(state, tmp_path / "model.safetensors")
    monkeypatch.setattr(backbone, "try_to_load_from_cache", lambda *args: str(tmp_path / "model.safetensors"))
    ours = build(TimmOptions(model=TINY), device="cpu", offline=True)
    torch.testing.assert_close(ours.model.state_dict()["pos_embed"], state["pos_embed"])


def test_a_failing_download_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def failing(name: str, *, pretrained: bool = False, **arguments: object):
        if pretrained:
            raise OSError("We couldn't connect.\nMore text.")
        return create(name, **arguments)

    monkeypatch.setattr(timm, "create_model", failing)
    with pytest.raises(CytosaeError, match=r"could not be downloaded: We couldn't connect\. .*checkpoint=PATH"):
        build(TimmOptions(model=TINY), device="cpu")


def test_two_sources_of_weights_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="exclude each other"):
        TimmOptions(checkpoint=Path("x"), untrained=True)


def test_checkpoints_are_recorded_by_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert TimmOptions(checkpoint=Path("w.pth")).checkpoint == tmp_path / "w.pth"
