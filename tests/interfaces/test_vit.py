"""The base class of timm backbones, on tiny random networks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.models.vision_transformer import VisionTransformer

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.vit import Preprocessing, TimmBackbone

HALF = (0.5, 0.5, 0.5)
SMALL = Preprocessing(size=(32, 32), mean=HALF, std=HALF)


def tiny(**changes: object) -> VisionTransformer:
    torch.manual_seed(0)
    arguments = {
        "img_size": 32,
        "patch_size": 8,
        "embed_dim": 24,
        "depth": 4,
        "num_heads": 3,
        "num_classes": 0,
    }
    return VisionTransformer(**{**arguments, **changes})


def backbone(model: torch.nn.Module | None = None, preprocessing: Preprocessing = SMALL) -> TimmBackbone:
    return TimmBackbone(model or tiny(), preprocessing, architecture="tiny", device="cpu")


@pytest.fixture
def batch() -> torch.Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


VARIANTS = {
    "plain": {},
    "registers": {"reg_tokens": 3},
    "no_class_token": {"class_token": False, "global_pool": "avg"},
    "positions_of_patches_only": {"no_embed_class": True, "reg_tokens": 1},
    "pre_norm": {"pre_norm": True},
    "layer_scale": {"init_values": 0.1},
    "dynamic_size": {"dynamic_img_size": True},
    "patch_dropout": {"patch_drop_rate": 0.5},
    "attention_pool": {"global_pool": "map"},
    "classifier": {"num_classes": 5},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_any_plain_vit_gives_the_residual_stream(changes: dict, batch: torch.Tensor) -> None:
    model = tiny(**changes)
    ours = backbone(model)
    for layer in (0, 2, -1):
        seen: list[torch.Tensor] = []
        handle = model.blocks[layer].register_forward_hook(lambda *args, seen=seen: seen.append(args[2]))
        with torch.no_grad():
            model(batch)
        handle.remove()
        tokens = ours.tokens(batch, layer)
        assert tokens.shape == (2, ours.prefix_tokens + 16, 24)
        torch.testing.assert_close(tokens, seen[0])


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_continuing_gives_the_final_embedding(changes: dict, batch: torch.Tensor) -> None:
    model = tiny(**changes)
    ours = backbone(model)
    with torch.no_grad():
        expected = model.forward_head(model.forward_features(batch), pre_logits=True)
    for layer in (0, 2, -1):
        torch.testing.assert_close(ours.continue_from(ours.tokens(batch, layer), layer), expected)


@pytest.mark.parametrize("name", ["eva02_tiny_patch14_224", "vit_small_patch16_dinov3"])
def test_models_with_rotary_positions(name: str) -> None:
    model = timm.create_model(name, num_classes=0, img_size=56 if "14" in name else 64, depth=2)
    size = model.patch_embed.img_size
    ours = backbone(model, Preprocessing(size=size, mean=HALF, std=HALF))
    batch = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = model.forward_head(model.forward_features(batch), pre_logits=True)
    tokens = ours.tokens(batch, 0)
    assert tokens.shape[1] == ours.n_tokens
    torch.testing.assert_close(ours.continue_from(tokens, 0), expected)


def test_later_blocks_are_not_computed(batch: torch.Tensor) -> None:
    model = tiny()
    ran: list[int] = []
    for index, block in enumerate(model.blocks):
        block.register_forward_hook(lambda *args, index=index: ran.append(index))
    backbone(model).tokens(batch, -2)
    assert ran == [0, 1, 2]


def test_tokens_are_float32_and_usable_in_autograd(batch: torch.Tensor) -> None:
    tokens = backbone().tokens(batch.double(), 1)
    assert tokens.dtype == torch.float32
    assert not tokens.requires_grad
    weight = torch.ones(24, requires_grad=True)
    (tokens * weight).sum().backward()
    assert weight.grad is not None


def test_the_network_is_frozen_and_in_evaluation_mode() -> None:
    model = tiny()
    backbone(model)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_bfloat16_keeps_the_residual_stream_in_float32(batch: torch.Tensor) -> None:
    exact = backbone().tokens(batch, 2)
    rough = TimmBackbone(tiny(), SMALL, architecture="tiny", device="cpu", precision="bfloat16").tokens(batch, 2)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().max() < 0.05 * exact.abs().max()


def test_wrong_batch_and_layer_are_sentences(batch: torch.Tensor) -> None:
    with pytest.raises(CytosaeError, match=r"\[B, 3, 32, 32\], not \[2, 3, 16, 32\]"):
        backbone().tokens(batch[:, :, :16], 0)
    with pytest.raises(CytosaeError, match="4 blocks"):
        backbone().tokens(batch, 4)


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224", "vit_relpos_small_patch16_224"])
def test_other_networks_are_refused(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    with pytest.raises(CytosaeError, match="is no plain vision transformer"):
        backbone(model)


def test_a_size_that_is_not_the_networks_is_refused() -> None:
    with pytest.raises(CytosaeError, match="takes images of 32 x 32 pixels"):
        backbone(preprocessing=Preprocessing(size=(64, 64), mean=HALF, std=HALF))


def test_preprocessing_resizes_the_whole_image_and_normalises() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    out = Preprocessing(size=(20, 30), mean=mean, std=std, interpolation="bicubic")(image)
    resized = np.asarray(Image.fromarray(image).resize((30, 20), Image.Resampling.BICUBIC))
    expected = ((resized / 255.0 - mean) / std).transpose(2, 0, 1)
    assert out.dtype == torch.float32
    assert out.is_contiguous()
    np.testing.assert_allclose(out.numpy(), expected, atol=1e-6)


def test_preprocessing_is_the_same_in_threads() -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 90, 100, 3), dtype=np.uint8)
    alone = [SMALL(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(SMALL, images))
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


def test_preprocessing_takes_views_and_refuses_what_is_no_rgb_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    assert torch.equal(SMALL(image[:, ::-1]), SMALL(image[:, ::-1].copy()))
    for bad in (image[..., 0], image.astype(np.float32), image[:0], np.dstack([image, image[..., :1]])):
        with pytest.raises(CytosaeError, match="needs an RGB image"):
            SMALL(bad)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interpolation": "nearest"}, "interpolation 'nearest' is unknown"),
        ({"size": (0, 32)}, "not positive"),
        ({"std": (0.5, 0.0, 0.5)}, "std positive"),
        ({"mean": (0.5, float("nan"), 0.5)}, "finite"),
    ],
)
def test_senseless_preprocessing_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(CytosaeError, match=message):
        Preprocessing(**{"size": (32, 32), "mean": HALF, "std": HALF, **changes})


def test_boxes_tile_the_whole_image_row_major() -> None:
    boxes = backbone().patch_boxes((100, 60, 3))
    np.testing.assert_allclose(boxes[:2], [[0, 0, 15, 25], [15, 0, 30, 25]])
    np.testing.assert_allclose(boxes[-1], [45, 75, 60, 100])
    assert np.isclose(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sum(), 6000)


def test_boxes_of_a_crop_tile_the_centred_square() -> None:
    cropped = backbone(preprocessing=Preprocessing(size=(32, 32), mean=HALF, std=HALF, crop=True))
    boxes = cropped.patch_boxes((100, 60))
    np.testing.assert_allclose(boxes[0], [0, 20, 15, 35])
    np.testing.assert_allclose(boxes[-1], [45, 65, 60, 80])


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("shape", [(64, 64), (90, 130), (200, 50)])
def test_a_bright_square_lights_up_the_patch_of_its_box(crop: bool, shape: tuple[int, int]) -> None:
    ours = backbone(preprocessing=Preprocessing(size=(32, 32), mean=HALF, std=HALF, crop=crop))
    boxes = ours.patch_boxes(shape)
    for index in (0, 6, 15):
        x0, y0, x1, y1 = boxes[index].round().astype(int)
        image = np.zeros((*shape, 3), dtype=np.uint8)
        image[y0:y1, x0:x1] = 255
        brightness = ours.preprocess(image).mean(0).reshape(4, 8, 4, 8).mean((1, 3)).flatten()
        assert int(brightness.argmax()) == index


def test_fingerprint_knows_weights_preprocessing_and_architecture() -> None:
    original = backbone().fingerprint
    assert original == backbone().fingerprint
    changed = tiny()
    with torch.no_grad():
        changed.blocks[3].mlp.fc2.bias[5] += 1e-3
    others = [
        backbone(changed).fingerprint,
        backbone(preprocessing=Preprocessing(size=(32, 32), mean=HALF, std=HALF, crop=True)).fingerprint,
        backbone(preprocessing=Preprocessing(size=(32, 32), mean=HALF, std=(0.5, 0.5, 0.4))).fingerprint,
        TimmBackbone(tiny(), SMALL, architecture="other", device="cpu").fingerprint,
    ]
    assert len({original, *others}) == 5


def test_fingerprint_ignores_the_classifier() -> None:
    model = tiny(num_classes=5)
    with_head = backbone(model).fingerprint
    model.reset_classifier(0)
    assert backbone(model).fingerprint == with_head
