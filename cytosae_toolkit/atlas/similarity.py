"""Which latents are alike: by the direction that they write, and by the images on which they are active."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import SILENT, Progress

if TYPE_CHECKING:
    from scipy import sparse

    from cytosae_toolkit.atlas.reading import Atlas

_LATENT_BLOCK = 8192
_ROW_BLOCK = 512
SHOWN = ("name", "verdict", "mean_activation", "frequency", "label_entropy", "dominant_label")


class ImageMeans(Protocol):
    """What co-activation needs of an atlas."""

    @property
    def d_sae(self) -> int:
        """Number of latents."""

    @property
    def n_images(self) -> int:
        """Number of images."""

    def mean_rows(self, rows: NDArray[np.int64]) -> sparse.csr_matrix:
        """Return m_i of some images, CSR float32 [n, d_sae]."""


def direction_cosines(directions: NDArray[np.float32], latent: int) -> NDArray[np.float64]:
    """Return the cosine of every decoder direction with one, float64 [d_sae]; NaN for directions of length 0."""
    one = directions[latent].astype(np.float64)
    cosines = np.empty(len(directions))
    with np.errstate(invalid="ignore", divide="ignore"):
        for start in range(0, len(directions), _LATENT_BLOCK):
            block = directions[start : start + _LATENT_BLOCK].astype(np.float64)
            lengths = np.sqrt(np.einsum("sd,sd->s", block, block)) * np.sqrt(one @ one)
            cosines[start : start + len(block)] = block @ one / lengths
    return cosines


def coactivation_cosines(atlas: ImageMeans, latent: int, *, progress: Progress = SILENT) -> NDArray[np.float64]:
    """Return the cosine between the image-level activations of every latent and those of one.

    cos(s, t) = Σ_i m_i[s] m_i[t] / √(Σ_i m_i[s]² Σ_i m_i[t]²) over all images, exact in float64; image by image, so
    memory does not depend on their number.

    Parameters
    ----------
    atlas : ImageMeans
        Such as an `Atlas`.
    latent : int
        The one.
    progress : Progress
        Whom to tell.

    Returns
    -------
    float64 array [d_sae]
        0 to 1; NaN where a latent is active on no image.
    """
    products, squares = np.zeros(atlas.d_sae), np.zeros(atlas.d_sae)
    with progress.task("Comparing latents", atlas.n_images, "images") as task:
        for start in range(0, atlas.n_images, _ROW_BLOCK):
            rows = np.arange(start, min(start + _ROW_BLOCK, atlas.n_images))
            means = atlas.mean_rows(rows).astype(np.float64)
            products += means.T @ means[:, [latent]].toarray()[:, 0]
            squares += np.bincount(means.indices, weights=means.data**2, minlength=atlas.d_sae)
            task.advance(len(rows))
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = products / np.sqrt(squares * squares[latent])
    return np.where(squares > 0, np.clip(cosines, 0.0, 1.0), np.nan)


def similar(atlas: Atlas, latent: int, n: int = 10, *, progress: Progress = SILENT) -> pd.DataFrame:
    """Find the latents most like one, by direction and by co-activation.

    Parameters
    ----------
    atlas : Atlas
        With a run (for directions), images (for co-activation), or both.
    latent : int
        The one.
    n : int
        How many at most by either measure; latents that are among the first by one are shown with the other too.
    progress : Progress
        Whom to tell.

    Returns
    -------
    pandas.DataFrame
        Columns ``latent, direction_cosine, coactivation_cosine, name, verdict, mean_activation, …``; highest sum of
        cosines first. A measure that the atlas cannot give is NaN.

    Raises
    ------
    CytosaeError
        If the latent never fires, or the atlas has neither a run nor images.
    """
    table = atlas.latents
    live = table["mean_activation"].to_numpy(dtype=np.float64) > 0
    if not live[latent]:
        raise CytosaeError(f"Latent {latent} is active on no image of the atlas.", "Choose one that fires.")
    directions = _directions(atlas)
    if directions is None and not atlas.has_images:
        raise CytosaeError(
            f"{atlas.path} has neither decoder directions nor images.", "Build an atlas with `atlas build`."
        )
    nothing = np.full(atlas.d_sae, np.nan)
    by_direction = nothing if directions is None else direction_cosines(directions, latent)
    by_coactivation = coactivation_cosines(atlas, latent, progress=progress) if atlas.has_images else nothing
    chosen = np.union1d(_best(by_direction, latent, n, live), _best(by_coactivation, latent, n, by_coactivation > 0))
    frame = pd.DataFrame(
        {
            "latent": chosen,
            "direction_cosine": by_direction[chosen],
            "coactivation_cosine": by_coactivation[chosen],
            **{column: table[column].to_numpy()[chosen] for column in SHOWN if column in table.columns},
        }
    )
    score = np.nan_to_num(by_direction[chosen]) + np.nan_to_num(by_coactivation[chosen])
    return frame.iloc[np.argsort(-score, kind="stable")].reset_index(drop=True)


def _directions(atlas: Atlas) -> NDArray[np.float32] | None:
    try:
        run = atlas.run
    except CytosaeError:
        return None
    directions: NDArray[np.float32] = run.sae.decoder_directions.detach().float().cpu().numpy()
    return directions


def _best(cosines: NDArray[np.float64], latent: int, n: int, eligible: NDArray[Any]) -> NDArray[np.int64]:
    """Return the latents most like one, most alike first, the lower number first among equals."""
    keep = eligible & ~np.isnan(cosines)
    keep[latent] = False
    candidates = np.flatnonzero(keep)
    return candidates[np.argsort(-cosines[candidates], kind="stable")[: max(n, 0)]]
