"""Metrics of a run: on held-out and training images at its end, and on images of the user's choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.interfaces.sae import SparseAutoencoder
from cytosae_toolkit.progress import SILENT, Progress
from cytosae_toolkit.training.metrics import Measured, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cytosae_toolkit.images import ImageTable
    from cytosae_toolkit.training.run import Run

IMAGES_AT_ONCE = 16
N_PASSES = 3
"""How often `measure` goes through the images: moments of all tokens, of patches, then the metrics."""


class TokenImages(Protocol):
    """The tokens of an image set, image by image: a view of a token store, or one that computes them."""

    def __len__(self) -> int:
        """Return the number of images."""

    def read(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Return tokens, float [n, n_tokens, d_model], of images by position."""


def chunks_of(view: TokenImages, indices: NDArray[np.int64] | None = None) -> Callable[[], Iterator[Tensor]]:
    """Return what `measure` wants: a function that yields float32 [images, tokens, d_model], the same each time."""
    chosen = np.arange(len(view)) if indices is None else indices

    def chunks() -> Iterator[Tensor]:
        for start in range(0, len(chosen), IMAGES_AT_ONCE):
            yield torch.from_numpy(view.read(chosen[start : start + IMAGES_AT_ONCE]).astype(np.float32))

    return chunks


def measure_images(
    sae: SparseAutoencoder,
    view: TokenImages,
    indices: NDArray[np.int64],
    *,
    prefix_tokens: int,
    device: str = "cpu",
    progress: Progress = SILENT,
    description: str = "Measuring",
) -> Measured:
    """Measure an SAE on some images of a view.

    Parameters
    ----------
    sae : SparseAutoencoder
        On `device`.
    view : TokenImages
        Tokens.
    indices : int array [n]
        Which images, n ≥ 1.
    prefix_tokens : int
        Tokens of an image that belong to no patch.
    device : str
        Resolved.
    progress : Progress
        Where to report.
    description : str
        Title of the bar.
    """
    chunks = chunks_of(view, indices)
    with progress.task(description, len(indices), "images") as task:
        passes = 0

        def counted() -> Iterator[Tensor]:
            nonlocal passes
            passes += 1
            last = passes == N_PASSES  # the others are quick: they do not encode
            for images in chunks():
                yield images
                task.advance(len(images) if last else 0)

        return measure(sae, counted, prefix_tokens=prefix_tokens, device=device)


def evaluate(
    run: Run,
    images: ImageTable,
    *,
    device: str = "auto",
    token_options: dict[str, Any] | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Measure a run's SAE on images of your choice.

    Parameters
    ----------
    run : Run
        A finished run.
    images : ImageTable
        Any images; those that cannot be read are skipped and listed.
    device : str
        Where to compute.
    token_options : dict, optional
        Passed to `cytosae_toolkit.tokens.token_source`; unless they say otherwise, the run's own token store is used.
    progress : Progress
        Where to report.

    Returns
    -------
    dict
        The fields of `Metrics` for all tokens, `patches` for patch tokens, `n_images`, `skipped`, and `unlike_share`,
        the share of the images that are unlike the training images, None where the run does not know those.
    """
    from cytosae_toolkit.devices import resolve_device
    from cytosae_toolkit.tokens import token_source
    from cytosae_toolkit.training.image_fit import unlike_share
    from cytosae_toolkit.weights import show_downloads

    resolved = resolve_device(device)
    options = {"dtype": run.config.get("token_dtype", "float16")} | (token_options or {})
    options["store"] = options.get("store") or run.own_token_store
    with show_downloads(progress):
        backbone = run.backbone(device=resolved, offline=bool(options.pop("offline", False)))
    view = token_source(images, backbone, run.layer, demonstration=run.demonstration, progress=progress, **options)
    sae = run.sae.to(resolved)
    measured = measure_images(
        sae, view, np.arange(len(view)), prefix_tokens=backbone.prefix_tokens, device=resolved, progress=progress
    )
    unlike = unlike_share(run, sae, view, device=resolved, progress=progress)
    skipped = [{"path": str(item.path), "reason": item.reason} for item in (*images.skipped, *view.skipped)]
    return {"n_images": len(view), "skipped": skipped, "unlike_share": unlike, **measured.to_json()}
