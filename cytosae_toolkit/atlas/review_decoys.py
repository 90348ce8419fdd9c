"""Decoys for a review: latents of an SAE of the same shape that learned nothing, over images of the atlas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.review_items import DecoyLatent, draw_weak
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.interfaces.backbone import Backbone
    from cytosae_toolkit.interfaces.sae import SparseAutoencoder
    from cytosae_toolkit.training.run import Run

_BATCH = 8
_CANDIDATES_PER_DECOY = 4
_MIN_CANDIDATES = 256


def untrained_decoys(
    atlas: Atlas,
    n: int,
    seed: int = 0,
    *,
    images_per_latent: int = 9,
    max_images: int = 512,
    device: str = "auto",
    offline: bool = False,
    progress: Progress = SILENT,
) -> list[DecoyLatent]:
    """Draw latents of an untrained SAE and find the pictures that activate each most.

    The SAE is made from the atlas' run record and initialised as a training would on tokens of these images. The
    backbone runs over the pictures that the atlas keeps, which are what it saw, so no original is needed. Each decoy
    is lowered until it is active on as many tokens as a latent of the atlas, so that density does not tell it.

    Parameters
    ----------
    atlas : Atlas
        With images and a run.
    n : int
        How many.
    seed : int
        Of the sample of images, the initialisation and the draw.
    images_per_latent : int
        Pictures of each decoy.
    max_images : int
        Images looked at, at most one per group.
    device : str
        Of the backbone.
    offline : bool
        Forbid the backbone downloads.
    progress : Progress
        Whom to tell.

    Returns
    -------
    list of DecoyLatent
        Latents that are active on at least `images_per_latent` of the images (on at least one where there are too few
        such). Fewer than `n` only if the untrained SAE has fewer live latents among those looked at.

    Raises
    ------
    CytosaeError
        If the atlas has no images or no run, or its backbone cannot be made; it says why.
    """
    if n <= 0:
        return []
    rng = np.random.default_rng([seed, 2])
    run, backbone = _run_and_backbone(atlas, device, offline)
    rows = _sample(atlas, max_images, rng)
    pictures = {int(row): picture for row in rows for picture in [atlas.picture(int(row))] if picture is not None}
    tokens = _tokens(backbone, run.layer, list(pictures.values()), progress)
    sae = _untrained(run, tokens, seed)
    drawn = min(sae.d_sae, max(_CANDIDATES_PER_DECOY * n, _MIN_CANDIDATES))
    candidates = rng.permutation(sae.d_sae)[:drawn]
    h = _matched(_activations(sae, tokens, candidates), _densities(atlas, drawn, rng))
    return _decoys(h, list(pictures.values()), candidates, n, images_per_latent, backbone, rng)


def _run_and_backbone(atlas: Atlas, device: str, offline: bool) -> tuple[Run, Backbone]:
    try:
        if not atlas.has_images:
            raise CytosaeError(f"{atlas.path} has no images.")
        return atlas.run, atlas.run.backbone(device=device, offline=offline)
    except CytosaeError as error:
        raise CytosaeError(
            f"Decoys cannot be computed: {error.message}",
            f"{error.hint or ''} Without decoys: --decoys 0.".strip(),
        ) from error


def _sample(atlas: Atlas, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw rows of images, one per group, in row order."""
    order = rng.permutation(len(atlas.images))
    groups = atlas.images["group"].astype(str).to_numpy()[order]
    firsts = np.sort(np.unique(groups, return_index=True)[1])[:most]
    return np.sort(order[firsts]).astype(np.int64)


def _tokens(
    backbone: Backbone, layer: int, pictures: list[NDArray[np.uint8]], progress: Progress
) -> NDArray[np.float16]:
    """Return tokens of pictures, float16 [n, n_tokens, d_model], or float32 where float16 ends."""
    import torch

    found = []
    with torch.inference_mode(), progress.task("Reading tokens for decoys", len(pictures), "images") as task:
        for start in range(0, len(pictures), _BATCH):
            batch = torch.stack([backbone.preprocess(picture) for picture in pictures[start : start + _BATCH]])
            tokens = backbone.tokens(batch, layer).float().cpu().numpy()
            found.append(tokens if np.abs(tokens).max() > np.finfo(np.float16).max else tokens.astype(np.float16))
            task.advance(len(batch))
    return np.concatenate(found)


def _untrained(run: Run, tokens: NDArray[np.float16], seed: int) -> SparseAutoencoder:
    import torch

    from cytosae_toolkit.training.run import create_from_record
    from cytosae_toolkit.training.session import INITIALIZATION
    from cytosae_toolkit.training.trainer import step_generator

    sae = create_from_record(run.record)
    flat = tokens.reshape(-1, tokens.shape[-1])
    wanted = int(run.record.get("config", {}).get("init_tokens") or len(flat))
    chosen = np.random.default_rng(seed).permutation(len(flat))[:wanted]
    sae.initialize(
        torch.from_numpy(flat[np.sort(chosen)].astype(np.float32)), step_generator(seed, 2**32 + INITIALIZATION)
    )
    return sae.eval()


def _activations(
    sae: SparseAutoencoder, tokens: NDArray[np.float16], latents: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return h of some latents, float32 [n_images, n_tokens, len(latents)]."""
    import torch

    found = np.empty((*tokens.shape[:2], len(latents)), dtype=np.float32)
    with torch.inference_mode():
        for i, image in enumerate(tokens):
            found[i] = sae.encode(torch.from_numpy(image.astype(np.float32)))[:, torch.from_numpy(latents)].numpy()
    return found


def _densities(atlas: Atlas, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the densities over tokens of live latents of the atlas, float64 [n]."""
    density = atlas.statistics["density_tokens"].to_numpy(np.float64)
    live = density[density > 0]
    return rng.choice(live, n) if len(live) else np.full(n, 0.05)


def _matched(h: NDArray[np.float32], densities: NDArray[np.float64]) -> NDArray[np.float32]:
    """Lower each decoy until it is active on a given share of the tokens.

    An untrained ReLU latent is active on half of all tokens and would give itself away by that alone.
    """
    limits = [np.quantile(h[..., i], 1 - min(density, 1.0)) for i, density in enumerate(densities)]
    return np.maximum(h - np.array(limits, dtype=np.float32), 0)


def _decoys(
    h: NDArray[np.float32],
    pictures: list[NDArray[np.uint8]],
    latents: NDArray[np.int64],
    n: int,
    n_images: int,
    backbone: Backbone,
    rng: np.random.Generator,
) -> list[DecoyLatent]:
    means = h.mean(axis=1, dtype=np.float64)
    n_active = (means > 0).sum(axis=0)
    order = np.argsort(-np.minimum(n_active, n_images), kind="stable")
    chosen = [int(i) for i in order[:n] if n_active[i] > 0]
    rows, columns = backbone.grid
    decoys = []
    for i in chosen:
        best = np.argsort(-means[:, i], kind="stable")[: min(n_images, n_active[i])]
        heatmaps = h[best, backbone.prefix_tokens :, i].reshape(-1, rows, columns)
        others = np.setdiff1d(np.arange(len(pictures)), best)
        intruder = pictures[others[draw_weak(means[others, i], rng)]] if len(others) else None
        decoys.append(DecoyLatent(int(latents[i]), [pictures[row] for row in best], list(heatmaps), intruder))
    return decoys
