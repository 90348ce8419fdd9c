"""What does the backbone make of the reconstruction? Tokens are replaced at the SAE's layer and carried on from there.

Fidelity of a replacement is the cosine between the final embedding of the original tokens and that of the replaced
ones. Whatever replaces all tokens by something constant shows what the number would be without any information.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.atlas.card.monosemanticity import unit_rows
from cytosae_toolkit.atlas.card.probes import Labelled, fit_dense
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.backbone import Backbone
from cytosae_toolkit.interfaces.sae import SparseAutoencoder


@dataclass(frozen=True)
class Embedder:
    """From the tokens of a layer to one vector per image.

    Parameters
    ----------
    backbone : Backbone
        Whose tokens they are.
    layer : int
        Their layer.
    obstacle : str or None
        Why the backbone cannot continue from there; then the vector is the layer's CLS token, or the mean token of
        backbones without prefix tokens.
    """

    backbone: Backbone
    layer: int
    obstacle: str | None = None

    @classmethod
    def of(cls, backbone: Backbone, layer: int, tokens: Tensor) -> Embedder:
        """Return the embedder of a layer, tried on the tokens of one image, float32 [1, n_tokens, d_model]."""
        try:
            backbone.continue_from(tokens, layer)
        except CytosaeError as error:
            return cls(backbone, layer, error.message)
        return cls(backbone, layer)

    @property
    def continues(self) -> bool:
        """Whether replaced tokens change the vector as they would change the backbone's output."""
        return self.obstacle is None

    @property
    def description(self) -> str:
        """What the vector is."""
        if self.continues:
            return f"final embedding, continued from layer {self.layer}"
        return f"{'CLS' if self.backbone.prefix_tokens else 'mean'} token of layer {self.layer}"

    @torch.no_grad()
    def __call__(self, tokens: Tensor) -> NDArray[np.float32]:
        """Return vectors, float32 [n, d_embedding], of tokens, float32 [n, n_tokens, d_model]."""
        if self.continues:
            found = self.backbone.continue_from(tokens, self.layer)
        else:
            found = tokens[:, 0] if self.backbone.prefix_tokens else tokens.mean(dim=1)
        return np.asarray(found.float().cpu().numpy())


def cosines(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the cosine of each row with its partner, float64 [n]; 0 where one is zero."""
    return np.asarray((unit_rows(a) * unit_rows(b)).sum(axis=1))


@torch.no_grad()
def ablate(
    sae: SparseAutoencoder, embed: Embedder, tokens: Tensor, latents: Sequence[int], *, device: str = "cpu"
) -> NDArray[np.float64]:
    """Switch latents off, one at a time, and return what is left of the final embedding.

    The reconstruction's error is kept: tokens change by x̂(without the latent) - x̂ alone.

    Parameters
    ----------
    sae : SparseAutoencoder
        On `device`.
    embed : Embedder
        Continues from the SAE's layer.
    tokens : torch.Tensor
        float32 [n, n_tokens, d_model].
    latents : sequence of int
        Which.
    device : str
        Where to compute.

    Returns
    -------
    float64 array [n, len(latents)]
        Cosine with the embedding of the original tokens; 1 where the latent is silent.
    """
    x = tokens.to(device)
    original = embed(x)
    h = sae.encode(x)
    whole = sae.decode(h)
    found = np.ones((len(x), len(latents)))
    for column, latent in enumerate(latents):
        without = h.clone()
        without[..., latent] = 0
        found[:, column] = cosines(original, embed(x + sae.decode(without) - whole))
    return found


@dataclass(frozen=True)
class ProbeChange:
    """Accuracy of a probe, trained on original embeddings, on original and on replaced ones; means over folds."""

    original: float
    replaced: float

    @property
    def change(self) -> float:
        """Replaced minus original."""
        return self.replaced - self.original


def probe_change(
    original: NDArray[np.floating[Any]], replaced: NDArray[np.floating[Any]], data: Labelled
) -> ProbeChange:
    """Train the dense probe on original embeddings and test it on both, fold by fold.

    Parameters
    ----------
    original, replaced : float array [n_images, d]
        Final embeddings.
    data : Labelled
        Which images take part, and the folds.
    """
    first, second = original[data.rows], replaced[data.rows]
    found = []
    for train, test in data.folds:
        predict = fit_dense(first[train], data.labels[train])
        found.append([float((predict(rows[test]) == data.labels[test]).mean()) for rows in (first, second)])
    before, after = np.mean(found, axis=0)
    return ProbeChange(float(before), float(after))
