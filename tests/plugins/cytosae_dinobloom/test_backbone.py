"""DinoBloom: architecture and weights against the published implementation's tokens and key names."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from cytosae_dinobloom import DinoBloomOptions, weights_file
from cytosae_dinobloom.backbone import ARCHITECTURES, build_s, empty_model, timm_names
from torch import Tensor, nn
from torch.nn import functional as F

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.vit import TimmBackbone
from cytosae_toolkit.safe_load import fill_model
from cytosae_toolkit.testing import BackboneConformance
from cytosae_toolkit.testing.backbone import BackboneSubject
from cytosae_toolkit.weights import weights_path

SIZES = {"s": (384, 12), "b": (768, 12), "l": (1024, 24), "g": (1536, 40)}


def dinov2_shapes(width: int, depth: int, swiglu: bool = False) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a DINOv2 state dict at 224 pixels, as its authors' code has them."""
    hidden = (int(4 * width * 2 / 3) + 7) // 8 * 8
    mlp = (
        {
            "w12.weight": (2 * hidden, width),
            "w12.bias": (2 * hidden,),
            "w3.weight": (width, hidden),
            "w3.bias": (width,),
        }
        if swiglu
        else {
            "fc1.weight": (4 * width, width),
            "fc1.bias": (4 * width,),
            "fc2.weight": (width, 4 * width),
            "fc2.bias": (width,),
        }
    )
    block = {
        "norm1.weight": (width,),
        "norm1.bias": (width,),
        "attn.qkv.weight": (3 * width, width),
        "attn.qkv.bias": (3 * width,),
        "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,),
        "ls1.gamma": (width,),
        "norm2.weight": (width,),
        "norm2.bias": (width,),
        **{f"mlp.{name}": shape for name, shape in mlp.items()},
        "ls2.gamma": (width,),
    }
    return {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 257, width),
        "mask_token": (1, width),
        "patch_embed.proj.weight": (width, 3, 14, 14),
        "patch_embed.proj.bias": (width,),
        **{f"blocks.{index}.{name}": shape for index in range(depth) for name, shape in block.items()},
        "norm.weight": (width,),
        "norm.bias": (width,),
    }


def formula(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weights of the parity file."""
    n = math.prod(shape)
    k = sum(ord(character) for character in name) % 97 + 1
    values = 0.04 * np.sin(0.37 * k * np.arange(n, dtype=np.float64) + k) if n > 1 else np.zeros(n)
    if name.endswith(("norm1.weight", "norm2.weight", "gamma", "norm.weight")):
        values = values + 1
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return {name: formula(name, shape) for name, shape in dinov2_shapes(*SIZES["s"]).items()}


@pytest.fixture(scope="module")
def checkpoint(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file laid out as DinoBloom-S.pth is."""
    path = tmp_path_factory.mktemp("dinobloom") / "DinoBloom-S.pth"
    teacher = {f"backbone.{name}": tensor for name, tensor in state.items()}
    heads = {"dino_head.mlp.0.weight": torch.ones(4, 4), "ibot_head.last_layer.weight_g": torch.ones(4, 1)}
    torch.save({"teacher": teacher | heads}, path)
    return path


@pytest.fixture(scope="module")
def backbone(checkpoint: Path) -> TimmBackbone:
    return build_s(DinoBloomOptions(checkpoint=checkpoint), device="cpu")


class TestContract(BackboneConformance):
    @pytest.fixture(scope="class")
    def subject(self, tmp_path_factory: pytest.TempPathFactory) -> BackboneSubject:
        """Small random weights: those of the parity file are periodic and mix patches."""
        generator = torch.Generator().manual_seed(0)
        shapes = dinov2_shapes(*SIZES["s"])
        random = {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        path = tmp_path_factory.mktemp("random") / "DinoBloom-S.pth"
        torch.save({"teacher": {f"backbone.{name}": tensor for name, tensor in random.items()}}, path)
        return BackboneSubject(lambda: build_s(DinoBloomOptions(checkpoint=path), device="cpu"))


@pytest.mark.parametrize("block", [1, 4, 10, 11])
def test_tokens_are_those_of_the_original_code(backbone: TimmBackbone, shared_data: Path, block: int) -> None:
    flat = np.arange(3 * 224 * 224, dtype=np.float64)
    image = (np.sin(0.013 * flat) + np.cos(0.00071 * flat)).reshape(1, 3, 224, 224).astype(np.float32)
    tokens = backbone.tokens(torch.from_numpy(image), block)[0].numpy()
    with np.load(shared_data / "parity" / "dinobloom_s_tokens.npz") as expected:
        theirs = expected[f"block_{block}"]
    assert np.abs(tokens - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_shape_of_the_backbone(backbone: TimmBackbone) -> None:
    assert (backbone.d_model, backbone.layers, backbone.grid) == (384, 12, (16, 16))
    assert (backbone.patch_size, backbone.prefix_tokens, backbone.n_tokens) == ((14, 14), 1, 257)


def test_images_are_resized_bilinearly_and_normalised_as_imagenet(backbone: TimmBackbone) -> None:
    grey = np.full((300, 500, 3), 128, dtype=np.uint8)
    expected = (128 / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(backbone.preprocess(grey), expected[:, None, None].expand(3, 224, 224))
    assert backbone.preprocessing.interpolation == "bilinear"


@pytest.mark.parametrize("size", SIZES)
def test_every_tensor_of_every_size_has_its_place(size: str) -> None:
    width, depth = SIZES[size]
    published = {
        name: torch.empty(shape, device="meta") for name, shape in dinov2_shapes(width, depth, size == "g").items()
    }
    renamed = {name: tuple(tensor.shape) for name, tensor in timm_names(published).items()}
    wanted = {name: tuple(tensor.shape) for name, tensor in empty_model(size).state_dict().items()}
    assert renamed == wanted


class SwiGLUBlock(nn.Module):
    """A block of DINOv2's giant, written down from its definition."""

    def __init__(self, width: int, heads: int, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.width, self.heads, self.weights = width, heads, weights

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (self.width,), self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        n_images, n_tokens, _ = x.shape
        qkv = self.linear(self.norm(x, "norm1"), "attn.qkv").reshape(n_images, n_tokens, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
        mixed = (attention @ v).transpose(1, 2).reshape(n_images, n_tokens, self.width)
        x = x + self.linear(mixed, "attn.proj") * self.weights["ls1.gamma"]
        gate, value = self.linear(self.norm(x, "norm2"), "mlp.w12").chunk(2, dim=-1)
        return x + self.linear(F.silu(gate) * value, "mlp.w3") * self.weights["ls2.gamma"]


def test_the_giants_gated_blocks_compute_what_dinov2_does() -> None:
    import timm

    torch.manual_seed(0)
    width, heads = 96, 4
    shapes = dinov2_shapes(width, 1, swiglu=True)
    weights = {name: torch.randn(shape) * 0.1 for name, shape in shapes.items()}
    hidden = shapes["blocks.0.mlp.w3.weight"][1]
    model = timm.create_model(
        ARCHITECTURES["g"],
        num_classes=0,
        img_size=224,
        embed_dim=width,
        depth=1,
        num_heads=heads,
        mlp_ratio=2 * hidden / width,
    )
    fill_model(model, timm_names(weights), "giant")
    block = {name.removeprefix("blocks.0."): tensor for name, tensor in weights.items() if name.startswith("blocks.0.")}
    x = torch.randn(2, 257, width)
    with torch.no_grad():
        torch.testing.assert_close(model.eval().blocks[0](x), SwiGLUBlock(width, heads, block)(x), atol=1e-5, rtol=1e-4)


def test_a_plain_dinov2_state_dict_is_read_too(
    backbone: TimmBackbone, state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(state, tmp_path / "pytorch_model_s.bin")
    plain = build_s(DinoBloomOptions(checkpoint=tmp_path / "pytorch_model_s.bin"), device="cpu")
    assert plain.fingerprint == backbone.fingerprint


def test_crop_changes_boxes_and_fingerprint(backbone: TimmBackbone, checkpoint: Path) -> None:
    cropped = build_s(DinoBloomOptions(checkpoint=checkpoint, crop=True), device="cpu")
    assert cropped.fingerprint != backbone.fingerprint
    np.testing.assert_allclose(cropped.patch_boxes((224, 324))[0], [50, 0, 64, 14])
    np.testing.assert_allclose(backbone.patch_boxes((224, 448))[0], [0, 0, 28, 14])


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("blocks.11.ls2.gamma", None, "'blocks.11.ls2.gamma' is missing"),
        (
            "patch_embed.proj.weight",
            torch.ones(768, 3, 14, 14),
            r"is \[768, 3, 14, 14\], but \[384, 3, 14, 14\]",
        ),
        ("pos_embed", torch.ones(1, 1370, 384), "positions for 1369 patches, but DinoBloom has 256"),
        ("register_tokens", torch.ones(1, 4, 384), "holds 'register_tokens'"),
        ("norm.bias", torch.full((384,), float("inf")), "NaN or infinite values in 'norm.bias'"),
    ],
)
def test_other_weights_are_refused(
    state: dict[str, Tensor], tmp_path: Path, name: str, change: Tensor | None, message: str
) -> None:
    changed = {key: tensor for key, tensor in {**state, name: change}.items() if tensor is not None}
    torch.save(changed, tmp_path / "other.pth")
    with pytest.raises(CytosaeError, match=message):
        build_s(DinoBloomOptions(checkpoint=tmp_path / "other.pth"), device="cpu")


def test_absent_weights_say_how_to_get_them() -> None:
    with pytest.raises(
        CytosaeError, match=r"zenodo.org/records/10908163/files/DinoBloom-S.pth by hand to .*checkpoint"
    ):
        build_s(DinoBloomOptions(), device="cpu", offline=True)


def test_cached_weights_are_used(checkpoint: Path, backbone: TimmBackbone, monkeypatch: pytest.MonkeyPatch) -> None:
    import cytosae_dinobloom

    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    monkeypatch.setitem(cytosae_dinobloom._SHA256, "s", digest)
    cached = weights_path(weights_file("s"))
    cached.parent.mkdir(parents=True)
    cached.write_bytes(checkpoint.read_bytes())
    assert build_s(DinoBloomOptions(), device="cpu", offline=True).fingerprint == backbone.fingerprint
