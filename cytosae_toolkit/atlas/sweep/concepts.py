"""Mean activation and frequency of an SAE's latents over a whole image set, in one pass and little memory.

As in an atlas: m_i = mean of h over all tokens of image i, prefix tokens included; a latent is active on the image if
m_i > 0; mean activation = Σ m_i / number of images on which it is active.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from cytosae_toolkit.files import atomic_path
from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training.evaluation import TokenImages, chunks_of


@dataclass(frozen=True)
class LatentStatistics:
    """What the latents do over an image set.

    Parameters
    ----------
    mean_activation : float64 array [d_sae]
        Over the images on which a latent is active; NaN where there is none.
    frequency : float64 array [d_sae]
        Share of images on which it is active.
    n_images : int
        Images.
    """

    mean_activation: NDArray[np.float64]
    frequency: NDArray[np.float64]
    n_images: int

    @property
    def live(self) -> NDArray[np.int64]:
        """Latents that fire at all, ascending."""
        return np.flatnonzero(self.frequency > 0)

    def save(self, path: Path) -> None:
        """Write a safetensors file atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {
            "mean_activation": self.mean_activation,
            "frequency": self.frequency,
            "n_images": np.array([self.n_images]),
        }
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)

    @classmethod
    def load(cls, path: Path) -> LatentStatistics:
        """Read what `save` wrote."""
        tensors = load_file(path)
        return cls(tensors["mean_activation"], tensors["frequency"], int(tensors["n_images"][0]))


@torch.no_grad()
def latent_statistics(
    sae: SparseAutoencoder, view: TokenImages, *, device: str = "cpu", progress: Progress = SILENT
) -> LatentStatistics:
    """Encode all images of a view, one by one.

    Parameters
    ----------
    sae : SparseAutoencoder
        In evaluation mode; moved to `device`.
    view : TokenImages
        Tokens of at least one image.
    device : str
        Resolved.
    progress : Progress
        Where to report.
    """
    sae = sae.to(device)
    sums = torch.zeros(sae.d_sae, dtype=torch.float64)
    active = torch.zeros(sae.d_sae, dtype=torch.int64)
    with progress.task("Counting concepts", len(view), "images") as task:
        for images in chunks_of(view)():
            for tokens in images:
                means = sae.encode(tokens.to(device)).float().mean(dim=0).cpu()
                sums += means.double()
                active += means > 0
            task.advance(len(images))
    n_active = active.numpy()
    mean = np.divide(sums.numpy(), n_active, out=np.full(sae.d_sae, np.nan), where=n_active > 0)
    return LatentStatistics(mean, n_active / len(view), len(view))
