"""Units whose activation is compared with masks: latents, raw token dimensions, components, brightness, place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from cytosae_toolkit.atlas.localisation import Localisation, OverlapAccumulator, localise, patch_coverage

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.training.evaluation import TokenImages

Units = Callable[[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float64]], NDArray[np.float32]]
"""From the patch tokens [patches, d_model], the image [H, W, 3] and the patch boxes [patches, 4] of one image to
activations [patches, n_units], not negative."""


@dataclass(frozen=True)
class MaskedImage:
    """One image with all that units and masks need.

    Parameters
    ----------
    tokens : float32 array [patches, d_model]
        Patch tokens.
    image : uint8 array [H, W, 3]
        RGB.
    boxes : float64 array [patches, 4]
        Patches in the image's pixels.
    coverage : float64 array [patches, n_masks]
        Share of each patch that each mask covers.
    """

    tokens: NDArray[np.float32]
    image: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    coverage: NDArray[np.float64]


def masked_images(
    images: ImageTable,
    view: TokenImages,
    backbone: Backbone,
    masks_of: Callable[[int], list[NDArray[np.bool_]]],
) -> Iterator[MaskedImage]:
    """Yield every image with its patch tokens and the coverage of its patches.

    Parameters
    ----------
    images : ImageTable
        The images.
    view : TokenImages
        Their tokens, in the same order.
    backbone : Backbone
        Gives the patch boxes.
    masks_of : callable
        From the row of an image to its masks, each bool [H, W], always in the same order.
    """
    for row in range(len(images)):
        image = images.read(row)
        boxes = backbone.patch_boxes(image.shape)
        coverage = np.stack([patch_coverage(mask, boxes) for mask in masks_of(row)], axis=1)
        tokens = view.read([row])[0, backbone.prefix_tokens :].astype(np.float32)
        yield MaskedImage(tokens, image, boxes, coverage)


def latent_units(sae: SparseAutoencoder, device: str = "cpu") -> Units:
    """Return the latents of an SAE, which is on `device`, as units."""

    @torch.no_grad()
    def activations(tokens: NDArray[np.float32], image: object, boxes: object) -> NDArray[np.float32]:
        latents: NDArray[np.float32] = sae.encode(torch.from_numpy(tokens).to(device)).float().cpu().numpy()
        return latents

    return activations


def dimension_units(center: NDArray[np.floating[Any]]) -> Units:
    """Return raw token dimensions as units: each rectified above and below its mean, [2 · d_model] units."""
    middle = center.astype(np.float32)

    def activations(tokens: NDArray[np.float32], image: object, boxes: object) -> NDArray[np.float32]:
        centered = tokens - middle
        return np.asarray(np.maximum(np.concatenate([centered, -centered], axis=1), 0))

    return activations


def component_units(center: NDArray[np.floating[Any]], components: NDArray[np.floating[Any]]) -> Units:
    """Return principal components as units: each rectified above and below the mean, [2 · n] units.

    Parameters
    ----------
    center : float array [d_model]
        Mean token.
    components : float array [d_model, n]
        One component a column.
    """
    rectified = dimension_units(np.zeros(components.shape[1]))
    middle, basis = center.astype(np.float32), components.astype(np.float32)

    def activations(
        tokens: NDArray[np.float32], image: NDArray[np.uint8], boxes: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        return rectified(np.asarray((tokens - middle) @ basis, dtype=np.float32), image, boxes)

    return activations


def backbone_units(backbone: Backbone, layer: int, units: Units) -> Units:
    """Return units of another backbone, such as an untrained one, with the same patches.

    Parameters
    ----------
    backbone : Backbone
        Sees the image; its tokens take the place of those given.
    layer : int
        Block to read.
    units : Units
        From its patch tokens to activations.
    """

    def activations(tokens: object, image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        own = backbone.tokens(backbone.preprocess(image)[None], layer)[0, backbone.prefix_tokens :]
        return units(own.float().cpu().numpy(), image, boxes)

    return activations


def place_units(tokens: object, image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return nearness to the image's centre and distance from it, 0 to 1 (a corner), as two units."""
    size = np.array([image.shape[1], image.shape[0]], dtype=np.float64)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.linalg.norm((middle - size / 2) / size, axis=1) * np.sqrt(2)
    return np.stack([1 - distance, distance], axis=1).astype(np.float32)


def brightness_units(tokens: object, image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return mean brightness and mean darkness of each patch, 0 to 1, as two units."""
    luminance = image.astype(np.float64) @ np.array([0.2126, 0.7152, 0.0722]) / 255
    bright = np.array([_mean_in(luminance, box) for box in boxes])
    return np.stack([bright, 1 - bright], axis=1).astype(np.float32)


def _mean_in(values: NDArray[np.float64], box: NDArray[np.float64]) -> float:
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    return float(values[y0:y1, x0:x1].mean())


def overlap(units: Units, samples: Iterable[MaskedImage]) -> OverlapAccumulator:
    """Accumulate the overlap of all units with all masks.

    Raises
    ------
    ValueError
        If there is no image.
    """
    accumulator: OverlapAccumulator | None = None
    for sample in samples:
        h = units(sample.tokens, sample.image, sample.boxes)
        if accumulator is None:
            accumulator = OverlapAccumulator(h.shape[1], sample.coverage.shape[1])
        accumulator.update(h, sample.coverage)
    if accumulator is None:
        raise ValueError("no images")
    return accumulator


def localise_units(units: Units, chosen: list[int], samples: Iterable[MaskedImage]) -> list[Localisation]:
    """Measure one chosen unit per mask.

    Parameters
    ----------
    units : Units
        All units.
    chosen : list of int
        For each mask the unit to measure.
    samples : iterable of MaskedImage
        Images that the choice did not see.
    """
    activations: list[NDArray[np.float32]] = []
    coverages: list[NDArray[np.float64]] = []
    for sample in samples:
        activations.append(units(sample.tokens, sample.image, sample.boxes)[:, chosen])
        coverages.append(sample.coverage)
    h, coverage = np.concatenate(activations), np.concatenate(coverages)
    return [localise(h[:, mask], coverage[:, mask], unit) for mask, unit in enumerate(chosen)]
