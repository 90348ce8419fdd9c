"""The pass over the tokens: metrics, image-level activations and embeddings of every image.

Everything is encoded once, by the trained and the untrained SAE together. What is kept per image is of the order of
d_model numbers: the trained SAE's activations as a sparse matrix, the untrained one's, which are dense, only for a
random sample of its latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from cytosae_toolkit.atlas.card.fidelity import Embedder, ablate
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training.evaluation import TokenImages, chunks_of
from cytosae_toolkit.training.metrics import (
    TOKENS_AT_ONCE,
    Measured,
    MetricAccumulator,
    Metrics,
)
from cytosae_toolkit.training.moments import TokenMoments, token_moments

UNTRAINED_LATENTS = 1024
"""How many latents of the untrained SAE are looked at."""
SAMPLE_IMAGES = 16
"""Images whose L0 decides the number of principal components of the PCA baseline."""


@dataclass(frozen=True)
class Models:
    """What the tokens go through.

    Parameters
    ----------
    sae, untrained : SparseAutoencoder
        On `device`.
    embed : Embedder
        From tokens to a final embedding.
    prefix_tokens : int
        Tokens of an image that belong to no patch.
    other : SparseAutoencoder, optional
        Of another run, on `device`; only which of its latents fire is noted.
    device : str
        Where to compute.
    ablated : tuple of int
        Latents to switch off, one at a time.
    seed : int
        Of the sample of untrained latents.
    """

    sae: SparseAutoencoder
    untrained: SparseAutoencoder
    embed: Embedder
    prefix_tokens: int
    other: SparseAutoencoder | None = None
    device: str = "cpu"
    ablated: tuple[int, ...] = ()
    seed: int = 0


@dataclass
class Features:
    """What the pass leaves of n images.

    Parameters
    ----------
    measured : Measured
        Metrics of the SAE.
    untrained : Metrics
        Of the untrained SAE, over all tokens.
    patches : TokenMoments
        Of patch tokens.
    activations : dict of str to matrix [n, n_units]
        Image-level activations (means over all tokens), float32: ``"trained SAE"`` (CSR), ``"untrained SAE"`` (a
        sample), ``"raw dimensions"`` and ``"PCA"`` (each rectified above and below its mean).
    tokens : dict of str to float32 array [n, d_model]
        ``"CLS"`` (where there are prefix tokens), ``"mean patch token"``, ``"mean token"``.
    embeddings : dict of str to float32 array [n, d_embedding]
        ``"original"`` and, where the backbone can continue, one for each kind of replaced tokens.
    ablations : float64 array [n, n_ablated]
        See `cytosae_toolkit.atlas.card.fidelity.ablate`.
    pca_components : int
        Components of the replacement ``"PCA"``.
    live, live_other : bool array [d_sae]
        Which latents of the SAE and of the other run's fire.
    """

    measured: Measured
    untrained: Metrics
    patches: TokenMoments
    activations: dict[str, Any]
    tokens: dict[str, NDArray[np.float32]]
    embeddings: dict[str, NDArray[np.float32]]
    ablations: NDArray[np.float64]
    pca_components: int
    live: NDArray[np.bool_]
    live_other: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Basis:
    """Mean of all tokens, float32 [d_model], and principal components, float32 [d_model, d_model], best first."""

    mean: Tensor
    components: Tensor

    @classmethod
    def of(cls, moments: TokenMoments, device: str) -> Basis:
        """Return the principal components of tokens."""
        mean = torch.from_numpy(moments.mean).float().to(device)
        return cls(mean, torch.from_numpy(principal_components(moments)).float().to(device))

    def reconstruct(self, x: Tensor, n: int) -> Tensor:
        """Return tokens with only their n leading components."""
        leading = self.components[:, :n]
        return self.mean + (x - self.mean) @ leading @ leading.T


def principal_components(moments: TokenMoments) -> NDArray[np.float64]:
    """Return the principal components of tokens, float64 [d_model, d_model], one a column, best first."""
    _, vectors = np.linalg.eigh(moments.covariance)
    return np.ascontiguousarray(vectors[:, ::-1])


class FeaturePass:
    """Feed all images in order, then `result`.

    Parameters
    ----------
    models : Models
        What tokens go through.
    everything, patches : TokenMoments
        Of all tokens and of patch tokens.
    pca_components : int
        Of the replacement by principal components.
    """

    def __init__(self, models: Models, everything: TokenMoments, patches: TokenMoments, pca_components: int) -> None:
        self.models, self.pca_components = models, pca_components
        self._patches = patches
        self._basis = Basis.of(everything, models.device)
        self._metrics = [MetricAccumulator(moments, models.sae.d_sae) for moments in (everything, patches)]
        self._untrained = MetricAccumulator(everything, models.untrained.d_sae)
        self._parts: dict[str, list[Any]] = {}
        self._live = torch.zeros(models.sae.d_sae, dtype=torch.bool)
        self._live_other = None if models.other is None else torch.zeros(models.other.d_sae, dtype=torch.bool)
        sampled = np.random.default_rng(models.seed).permutation(models.untrained.d_sae)[:UNTRAINED_LATENTS]
        self._sample = torch.from_numpy(np.sort(sampled)).to(models.device)

    @torch.no_grad()
    def update(self, images: Tensor) -> None:
        """Add images, float32 [n, n_tokens, d_model]."""
        x, models = images.to(self.models.device), self.models
        h = models.sae.encode(x)
        x_hat = models.sae.decode(h)
        self._measure(x, h, x_hat)
        h_untrained = models.untrained.encode(x)
        x_untrained = models.untrained.decode(h_untrained)
        self._untrained.update(*map(_flat, (x, h_untrained, x_untrained)))
        self._keep("trained SAE", sparse.csr_array(_means(h)))
        self._keep("untrained SAE", _means(h_untrained[..., self._sample]))
        centered = x - self._basis.mean
        self._keep("raw dimensions", _rectified(centered))
        self._keep("PCA", _rectified(centered @ self._basis.components))
        self._keep_tokens(x)
        self._embed(x, {"trained SAE": x_hat, "untrained SAE": x_untrained})
        if models.other is not None and self._live_other is not None:
            self._live_other |= _fired(models.other.encode(x))

    def _measure(self, x: Tensor, h: Tensor, x_hat: Tensor) -> None:
        self._live |= _fired(h)
        for metrics, first in zip(self._metrics, (0, self.models.prefix_tokens), strict=True):
            metrics.update(*(_flat(part[:, first:]) for part in (x, h, x_hat)))

    def _keep_tokens(self, x: Tensor) -> None:
        if self.models.prefix_tokens:
            self._keep("CLS", x[:, 0].cpu().numpy())
        self._keep("mean patch token", _means(x[:, self.models.prefix_tokens :]))
        self._keep("mean token", _means(x))

    def _embed(self, x: Tensor, replaced: dict[str, Tensor]) -> None:
        models = self.models
        self._keep("embedding:original", models.embed(x))
        if not models.embed.continues:
            return
        replaced = replaced | {"PCA": self._basis.reconstruct(x, self.pca_components)}
        for name, tokens in replaced.items():
            self._keep(f"embedding:{name}", models.embed(tokens))
        if models.ablated:
            self._keep("ablations", ablate(models.sae, models.embed, x, models.ablated, device=models.device))

    def _keep(self, name: str, part: Any) -> None:
        self._parts.setdefault(name, []).append(part)

    def result(self) -> Features:
        """Return what was gathered."""
        joined = {name: np.concatenate(parts) for name, parts in self._parts.items() if name != "trained SAE"}
        trained = sparse.csr_array(sparse.vstack(self._parts["trained SAE"], format="csr"))
        embeddings = {
            name.removeprefix("embedding:"): part for name, part in joined.items() if name.startswith("embedding:")
        }
        if self.models.embed.continues:
            embeddings |= self._constant_embeddings()
        everything, patches = self._metrics
        return Features(
            measured=Measured(everything.compute(), patches.compute()),
            untrained=self._untrained.compute(),
            patches=self._patches,
            activations={"trained SAE": trained}
            | {name: joined[name] for name in ("untrained SAE", "raw dimensions", "PCA")},
            tokens={name: joined[name] for name in ("CLS", "mean patch token", "mean token") if name in joined},
            embeddings=embeddings,
            ablations=joined.get("ablations", np.zeros((trained.shape[0], 0))),
            pca_components=self.pca_components,
            live=self._live.numpy(),
            live_other=None if self._live_other is None else self._live_other.numpy(),
        )

    def _constant_embeddings(self) -> dict[str, NDArray[np.float32]]:
        """Return the embedding, float32 [1, d_embedding], of the mean token everywhere and of zeros."""
        backbone, mean = self.models.embed.backbone, self._basis.mean
        shape = (1, backbone.n_tokens, len(mean))
        return {
            "mean token": self.models.embed(mean.expand(shape).contiguous()),
            "zeros": self.models.embed(torch.zeros(shape, device=self.models.device)),
        }


def _flat(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])


def _means(h: Tensor) -> NDArray[np.float32]:
    """Return means over tokens, summed in float64, float32 [n, units] of [n, tokens, units]."""
    return np.asarray((h.sum(dim=1, dtype=torch.float64) / h.shape[1]).float().cpu().numpy())


def _rectified(x: Tensor) -> NDArray[np.float32]:
    """Return the mean of positive and of negative parts, float32 [n, 2 · d] of [n, tokens, d]."""
    return np.concatenate([_means(x.clamp(min=0)), _means((-x).clamp(min=0))], axis=1)


def _fired(h: Tensor) -> Tensor:
    return (_flat(h) > 0).any(dim=0).cpu()


@torch.no_grad()
def _l0(models: Models, images: Tensor) -> float:
    active = [int((models.sae.encode(image.to(models.device)) > 0).sum()) for image in images]
    return sum(active) / (len(images) * images.shape[1])


def gather_features(models: Models, view: TokenImages, progress: Progress = SILENT) -> Features:
    """Run the pass over all images of a view, which are read three times and encoded once."""
    chunks, prefix = chunks_of(view), models.prefix_tokens
    d_model = models.sae.d_model
    everything = token_moments(map(_flat, chunks()), d_model)
    patches = token_moments((_flat(images[:, prefix:]) for images in chunks()), d_model)
    spread = np.unique(np.linspace(0, len(view) - 1, SAMPLE_IMAGES).astype(np.int64))
    sample = torch.from_numpy(view.read(spread).astype(np.float32))
    components = max(1, min(round(_l0(models, sample)), d_model // 4))
    features = FeaturePass(models, everything, patches, components)
    with progress.task("Measuring", len(view), "images") as task:
        for images in chunks():
            for part in torch.split(images, max(1, TOKENS_AT_ONCE // images.shape[1])):
                features.update(part)
                task.advance(len(part))
    return features.result()
