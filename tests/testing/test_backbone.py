"""The backbone's suite finds mistakes; each mutant breaks one promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.testing import BACKBONE_CHECKS, run_checks
from cytosae_toolkit.testing.backbone import BackboneSubject

ROWS, COLUMNS, SIDE, LAYERS = 4, 6, 8, 3


class Patchwork(Backbone):
    """Mean colours of 4 x 6 patches, mixed a little by each layer."""

    d_model = 12
    grid = (ROWS, COLUMNS)
    patch_size = (SIDE, SIDE)
    prefix_tokens = 1
    layers = LAYERS
    fingerprint = "00ff"

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.embedding = torch.randn(3, self.d_model, generator=generator)
        self.blocks = [0.2 * torch.randn(self.d_model, self.d_model, generator=generator) for _ in range(LAYERS)]

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255 - 0.5
        size = (ROWS * SIDE, COLUMNS * SIDE)
        return torch.nn.functional.interpolate(pixels, size, mode="bilinear", antialias=True)[0]

    def patch_boxes(self, image_shape: tuple[int, ...]) -> NDArray[np.float64]:
        height, width = image_shape[:2]
        ys, xs = np.linspace(0, height, ROWS + 1), np.linspace(0, width, COLUMNS + 1)
        return np.array(
            [(xs[c], ys[r], xs[c + 1], ys[r + 1]) for r in range(ROWS) for c in range(COLUMNS)], dtype=np.float64
        )

    def embed(self, batch: Tensor) -> Tensor:
        means = torch.nn.functional.avg_pool2d(batch, SIDE)
        patches = means.flatten(2).transpose(1, 2) @ self.embedding
        return torch.cat([torch.ones(len(batch), 1, self.d_model), patches], dim=1)

    def tokens(self, batch: Tensor, layer: int) -> Tensor:
        with torch.no_grad():
            return self.run(self.embed(batch), 0, self.resolve_layer(layer) + 1)

    def run(self, x: Tensor, first: int, last: int) -> Tensor:
        for block in self.blocks[first:last]:
            x = x + torch.tanh((x + 0.1 * x.mean(dim=1, keepdim=True)) @ block)
        return x

    def continue_from(self, tokens: Tensor, layer: int) -> Tensor:
        return self.run(tokens, self.resolve_layer(layer) + 1, LAYERS)[:, 0]


class ColumnMajor(Patchwork):
    def patch_boxes(self, image_shape: tuple[int, ...]) -> Any:
        boxes = super().patch_boxes(image_shape).reshape(ROWS, COLUMNS, 4)
        return boxes.transpose(1, 0, 2).reshape(-1, 4)


class SwappedAxes(Patchwork):
    def patch_boxes(self, image_shape: tuple[int, ...]) -> Any:
        height, width = image_shape[:2]
        return super().patch_boxes((width, height))


class UndeclaredCrop(Patchwork):
    """Reads the middle 90 % of the image and claims all of it."""

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        height, width = image.shape[:2]
        y, x = round(0.15 * height), round(0.15 * width)
        return super().preprocess(image[y : max(height - y, y + 1), x : max(width - x, x + 1)])


class DeclaredCrop(UndeclaredCrop):
    def patch_boxes(self, image_shape: tuple[int, ...]) -> Any:
        height, width = image_shape[:2]
        y, x = round(0.15 * height), round(0.15 * width)
        return super().patch_boxes((height - 2 * y, width - 2 * x)) + np.array([x, y, x, y])


class Mirrored(Patchwork):
    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        return super().preprocess(image[:, ::-1])


class Gaps(Patchwork):
    def patch_boxes(self, image_shape: tuple[int, ...]) -> Any:
        boxes = super().patch_boxes(image_shape)
        return boxes + np.array([0.5, 0.5, -0.5, -0.5])


class IntegerBoxes(Patchwork):
    def patch_boxes(self, image_shape: tuple[int, ...]) -> Any:
        return super().patch_boxes(image_shape).astype(np.int64)


class Clamps(Patchwork):
    def resolve_layer(self, layer: int) -> int:
        return min(max(layer, 0), LAYERS - 1) if layer >= 0 else max(layer + LAYERS, 0)


class Dropout(Patchwork):
    def tokens(self, batch: Tensor, layer: int) -> Tensor:
        return torch.nn.functional.dropout(super().tokens(batch, layer), 0.1)


class BatchNorm(Patchwork):
    def tokens(self, batch: Tensor, layer: int) -> Tensor:
        found = super().tokens(batch, layer)
        return found - 0.01 * found.mean(dim=0, keepdim=True)


class Gradients(Patchwork):
    def tokens(self, batch: Tensor, layer: int) -> Tensor:
        return self.run(self.embed(batch), 0, self.resolve_layer(layer) + 1)


class Unstable(Patchwork):
    counter = 0

    def __init__(self) -> None:
        super().__init__()
        Unstable.counter += 1
        self.fingerprint = f"{Unstable.counter:x}"


class WrongWidth(Patchwork):
    d_model = 12

    def tokens(self, batch: Tensor, layer: int) -> Tensor:
        return super().tokens(batch, layer)[:, 1:]


class SquareOnly(Patchwork):
    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(image.copy()).permute(2, 0, 1).float()
        return pixels[:, : ROWS * SIDE, : COLUMNS * SIDE]


class Scribbles(Patchwork):
    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        found = super().preprocess(image)
        image[0] = 0
        return found


class SharedBuffer(Patchwork):
    def __init__(self) -> None:
        super().__init__()
        self.buffer = torch.empty(3, ROWS * SIDE, COLUMNS * SIDE)

    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        return self.buffer.copy_(super().preprocess(image))


class Blind(Patchwork):
    def embed(self, batch: Tensor) -> Tensor:
        return super().embed(torch.zeros_like(batch))


class OffByOne(Patchwork):
    def continue_from(self, tokens: Tensor, layer: int) -> Tensor:
        return self.run(tokens, self.resolve_layer(layer), LAYERS)[:, 0]


class Floats(Patchwork):
    grid = (4.0, 6.0)  # type: ignore[assignment]


class CannotContinue(Patchwork):
    def continue_from(self, tokens: Tensor, layer: int) -> Tensor:
        raise CytosaeError("This backbone cannot continue from a layer.")


def outcomes(backbone: type[Backbone]) -> dict[str, str]:
    return {o.name: o.state for o in run_checks(BACKBONE_CHECKS, BackboneSubject(backbone))}


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (ColumnMajor, "patch boxes are row-major"),
        (ColumnMajor, "a bright square changes the token of its patch most"),
        (SwappedAxes, "patch boxes have the promised shape and lie within the image"),
        (UndeclaredCrop, "a bright square changes the token of its patch most"),
        (Mirrored, "a bright square changes the token of its patch most"),
        (Gaps, "patch boxes tile what the backbone sees"),
        (IntegerBoxes, "patch boxes have the promised shape and lie within the image"),
        (Clamps, "a layer that does not exist is a CytosaeError"),
        (Dropout, "the same image gives the same tokens"),
        (BatchNorm, "an image's tokens do not depend on its batch"),
        (Gradients, "tokens have the promised shape, type and no gradient"),
        (Unstable, "the fingerprint is stable"),
        (WrongWidth, "tokens have the promised shape, type and no gradient"),
        (SquareOnly, "preprocess takes RGB images of any size"),
        (Scribbles, "preprocess accepts views and leaves the image as it is"),
        (SharedBuffer, "preprocess is safe in several threads"),
        (Blind, "different images give different tokens"),
        (OffByOne, "continue_from agrees between layers, or says that it cannot"),
        (Floats, "sizes are positive whole numbers"),
    ],
)
def test_a_mistake_is_found(mutant: type[Backbone], promise: str) -> None:
    assert outcomes(mutant)[promise] == "failed"


def test_a_good_backbone_passes_everything() -> None:
    assert set(outcomes(Patchwork).values()) == {"passed"}


def test_a_declared_crop_is_no_mistake() -> None:
    found = outcomes(DeclaredCrop)
    assert found.pop("the whole image is kept") == "skipped"
    assert set(found.values()) == {"passed"}


def test_continuing_is_optional() -> None:
    found = outcomes(CannotContinue)
    assert found["continue_from agrees between layers, or says that it cannot"] == "skipped"


def test_the_usual_crop_of_natural_image_models_is_found() -> None:
    """Reading the middle 90 % of the sides misplaces heat maps of 16 x 16 patches by up to a patch."""
    from cytosae_toolkit.plugins import create_backbone

    backbone: Any = create_backbone("nano", device="cpu")
    whole = backbone.preprocess

    def cropped(image: NDArray[np.uint8]) -> Tensor:
        y, x = (round(0.05 * side) for side in image.shape[:2])
        return whole(image[y : max(len(image) - y, y + 1), x : max(image.shape[1] - x, x + 1)])

    backbone.preprocess = cropped
    found = {o.name: o.state for o in run_checks(BACKBONE_CHECKS[-1:], BackboneSubject(lambda: backbone))}
    assert found == {"a bright square changes the token of its patch most": "failed"}
