"""Which latents tell one region of an image from another.

Let w_j and v_j be the shares of patch j inside the region and in the one it is compared with (by default everything
else, v_j = 1 - w_j), and h_j the activation of a latent. With a = Σ w h / Σ w, b = Σ v h / Σ v and σ the standard
deviation of h under the weights w + v,

    score = (a - b) / (σ + σ̃),

where σ̃ is the median of σ over the latents that are active in either region. Without σ̃ this is, up to one factor for
all latents, the correlation of h with the region: no threshold, no unit, and a latent that fires on all of the region
beats one that fires strongly on a single patch of it. σ̃ keeps latents that are barely above 0 from the first places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.localisation import patch_coverage
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.explore.codes import ImageCodes


def region_weights(
    mask: NDArray[Any], grid: tuple[int, int], image_shape: tuple[int, ...], boxes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of each patch that a region covers, float64 [n_patches].

    Parameters
    ----------
    mask : bool array
        Of the shape of the patch grid, or of the image in pixels.
    grid : (int, int)
        Rows and columns of patches.
    image_shape : tuple of int
        ``(H, W, ...)``.
    boxes : float64 array [n_patches, 4]
        Patches in the image's pixels.

    Raises
    ------
    CytosaeError
        If the mask has another shape, or covers no patch.
    """
    region = np.asarray(mask) != 0
    if region.shape == tuple(grid):
        weights = region.reshape(-1).astype(np.float64)
    elif region.shape == tuple(image_shape[:2]):
        weights = patch_coverage(region, boxes)
    else:
        raise CytosaeError(
            f"The region has the shape {list(region.shape)}, but the image has {list(image_shape[:2])} pixels and "
            f"{list(grid)} patches.",
            "Give a mask of pixels or of patches.",
        )
    if not weights.sum() > 0:
        raise CytosaeError("The region covers no patch of the image.", "Draw it inside the image, and larger.")
    return np.asarray(weights)


def share_inside(codes: ImageCodes, inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each latent's activation on patches that lies in a region, Σ w h / Σ h.

    Parameters
    ----------
    codes : ImageCodes
        Of the image.
    inside : float64 array [n_patches]
        Share of each patch in the region, w.

    Returns
    -------
    float64 array [d_sae]
        0 where no patch is active.
    """
    total = np.asarray(codes.patches.sum(axis=0), dtype=np.float64).reshape(-1)
    return np.asarray(np.divide(codes.patches.T @ inside, total, out=np.zeros_like(total), where=total > 0))


def rank_region(
    codes: ImageCodes, inside: NDArray[np.float64], other: NDArray[np.float64] | None = None
) -> pd.DataFrame:
    """Rank latents by their contrast between two regions; see the top of this module.

    Parameters
    ----------
    codes : ImageCodes
        Of the image.
    inside, other : float64 array [n_patches]
        Share of each patch in the region, and in the one it is compared with, by default everything else.

    Returns
    -------
    DataFrame
        Latents that are more active inside, highest score first. Index `latent`; `score`; `inside` and `outside`,
        the mean activations a and b; `share_inside`, Σ w h / Σ h over all patches.

    Raises
    ------
    CytosaeError
        If nothing is left to compare with.
    """
    outside = 1 - inside if other is None else other
    if not outside.sum() > 0:
        raise CytosaeError("The region covers the whole image: there is nothing to compare it with.", "Draw less.")
    h, weights = codes.patches, inside + outside
    a, b = h.T @ inside / inside.sum(), h.T @ outside / outside.sum()
    mean = h.T @ weights / weights.sum()
    squares = h.copy()
    squares.data = np.square(squares.data, dtype=np.float64)
    sigma = np.sqrt(np.maximum(squares.T @ weights / weights.sum() - mean**2, 0))
    active = np.flatnonzero(a > b)
    typical = float(np.median(sigma[mean > 0])) if len(active) else 0.0
    score = (a - b)[active] / (sigma[active] + typical + np.finfo(float).tiny)
    found = pd.DataFrame(
        {
            "score": score,
            "inside": a[active],
            "outside": b[active],
            "share_inside": share_inside(codes, inside)[active],
        },
        index=pd.Index(active, name="latent"),
    )
    return found.sort_values("score", ascending=False, kind="stable")
