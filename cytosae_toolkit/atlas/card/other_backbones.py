"""The same images seen by another backbone, block by block: embeddings, and units of an untrained one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.atlas.card.fidelity import Embedder
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.progress import Progress

if TYPE_CHECKING:
    from cytosae_toolkit.images import ImageTable

IMAGES_AT_ONCE = 16
CENTER_IMAGES = 64
"""Images, spread over the table, whose mean patch token is the centre of the untrained backbone's dimensions."""


def tokens_of(
    images: ImageTable, backbone: Backbone, layer: int, progress: Progress, description: str
) -> Iterator[Tensor]:
    """Yield the tokens of all images in order, float32 [n, n_tokens, d_model] each."""
    with progress.task(description, len(images), "images") as task:
        for start in range(0, len(images), IMAGES_AT_ONCE):
            rows = range(start, min(start + IMAGES_AT_ONCE, len(images)))
            yield backbone.tokens(torch.stack([backbone.preprocess(images.read(row)) for row in rows]), layer)
            task.advance(len(rows))


def embed_images(images: ImageTable, backbone: Backbone, progress: Progress) -> tuple[str, NDArray[np.float32]]:
    """Return what a backbone's embedding is, and that of every image, float32 [n, d_embedding]."""
    layer, embed, parts = backbone.resolve_layer(-1), None, []
    for tokens in tokens_of(images, backbone, layer, progress, "Embedding images"):
        embed = embed or Embedder.of(backbone, layer, tokens[:1])
        parts.append(embed(tokens))
    if embed is None:
        raise ValueError("no images")
    return embed.description, np.concatenate(parts)


@dataclass(frozen=True)
class Untrained:
    """What an untrained backbone makes of the images.

    Parameters
    ----------
    backbone : Backbone
        With random weights.
    center : float32 array [d_model]
        Mean patch token of some images.
    activations : float32 array [n, 2 · d_model]
        Means over tokens of its dimensions, rectified above and below that centre.
    mean_token : float32 array [n, d_model]
        Mean over all tokens.
    """

    backbone: Backbone
    center: NDArray[np.float32]
    activations: NDArray[np.float32]
    mean_token: NDArray[np.float32]


def see_untrained(images: ImageTable, backbone: Backbone, layer: int, progress: Progress) -> Untrained:
    """Run all images through an untrained backbone."""
    spread = np.unique(np.linspace(0, len(images) - 1, CENTER_IMAGES).astype(np.int64))
    center = _center(images.subset(spread), backbone, layer, progress)
    activations: list[Any] = []
    means: list[Any] = []
    for tokens in tokens_of(images, backbone, layer, progress, "Untrained backbone"):
        centered = tokens - center
        rectified = torch.cat([centered.clamp(min=0), (-centered).clamp(min=0)], dim=-1)
        activations.append(rectified.mean(dim=1).float().cpu().numpy())
        means.append(tokens.mean(dim=1).float().cpu().numpy())
    return Untrained(backbone, center.cpu().numpy(), np.concatenate(activations), np.concatenate(means))


def _center(images: ImageTable, backbone: Backbone, layer: int, progress: Progress) -> Tensor:
    total = [
        tokens[:, backbone.prefix_tokens :].mean(dim=1).sum(dim=0)
        for tokens in tokens_of(images, backbone, layer, progress, "Untrained backbone, centre")
    ]
    return torch.stack(total).sum(dim=0) / len(images)
