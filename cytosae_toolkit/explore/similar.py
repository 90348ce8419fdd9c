"""Images of an atlas that share the latents of an image, or of a region of it.

An image is its vector m of mean activations over all tokens. The similarity of images x and y is the cosine

    Σ_s w_s x_s y_s / sqrt(Σ_s w_s x_s² · Σ_s w_s y_s²),   w_s = idf_s r_s,   idf_s = ln((1 + N) / (1 + n_s)),

with n_s of N images on which latent s is active, so that latents which fire everywhere count for nothing (idf: Spärck
Jones 1972, doi 10.1108/eb026526), and r_s the share of its activation on the image asked about that lies in the region,
1 without one. Whole image is held against whole image, in the latents that sit in the region: an atlas keeps no means
over regions of its images that those of a region could be held against.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

ROWS_AT_ONCE = 2048
N_SHARED = 3
"""How many of the latents that make two images similar are named."""


def inverse_document_frequency(n_active: NDArray[np.int64], n_images: int) -> NDArray[np.float64]:
    """Return idf of each latent, float64 [d_sae], from the number of images on which it is active."""
    return np.asarray(np.log((1 + n_images) / (1 + np.minimum(n_active, n_images))))


def similar_images(
    atlas: Atlas,
    query: NDArray[np.floating],
    *,
    share: NDArray[np.floating] | None = None,
    n: int = 10,
    key: str | None = None,
    group: str | None = None,
) -> pd.DataFrame:
    """Return the images of an atlas that are most similar to an image, or to it in a region; see the top of the module.

    Parameters
    ----------
    atlas : Atlas
        With per-image values.
    query : float array [d_sae]
        Mean activation of each latent on the image.
    share : float array [d_sae], optional
        r, the share of each latent's activation that lies in the region.
    n : int
        How many; one per group.
    key, group : str, optional
        Content key and group of the image that is asked about: images with either are left out.

    Returns
    -------
    DataFrame
        Most similar first, the earlier row first among equals; index `row` of the atlas; `similarity` (0 to 1);
        `file`, its name; `id label patient group set` where the atlas has them; `shared`, the latents that contribute
        most, as text.
    """
    images = atlas.images
    weights = inverse_document_frequency(atlas.latents["n_images"].to_numpy(np.int64), len(images))
    weights = weights if share is None else weights * share
    similarity = np.concatenate([_cosines(block, query, weights) for block in _blocks(atlas, len(images))])
    groups = images["group"].astype(str).to_numpy()
    known = _is_image(images, groups, key, group)
    order = np.argsort(-similarity, kind="stable")
    order = order[(similarity[order] > 0) & ~known[order]]
    _, first = np.unique(groups[order], return_index=True)
    rows = order[np.sort(first)][:n]
    columns = [name for name in ("id", "label", "patient", "group", "set") if name in images.columns]
    found = images.loc[rows, columns].rename_axis(index="row")
    found.insert(0, "similarity", similarity[rows])
    found.insert(1, "file", [atlas.file_name(int(row)) for row in rows])
    return found.assign(shared=_shared(atlas, rows, query, weights))


def _blocks(atlas: Atlas, n_images: int) -> Iterator[sparse.csr_array]:
    for start in range(0, n_images, ROWS_AT_ONCE):
        yield sparse.csr_array(atlas.mean_rows(np.arange(start, min(start + ROWS_AT_ONCE, n_images))))


def _cosines(means: sparse.csr_array, query: NDArray[np.floating], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cosines of rows with the query under weights; 0 where a vector is 0."""
    length = np.sqrt((weights * np.square(query, dtype=np.float64)).sum())
    squares = means.copy()
    squares.data = np.square(squares.data, dtype=np.float64)
    lengths = np.sqrt(squares @ weights) * length
    dots = means @ (weights * query)
    return np.asarray(np.divide(dots, lengths, out=np.zeros(means.shape[0]), where=lengths > 0))


def groups_with(images: pd.DataFrame, key: str | None) -> frozenset[str]:
    """Return the groups of an atlas's images with a content key: their images show the same cell."""
    if key is None or "key" not in images.columns:
        return frozenset()
    return frozenset(images.loc[(images["key"] == key).to_numpy(dtype=bool), "group"].astype(str))


def _is_image(images: pd.DataFrame, groups: NDArray[Any], key: str | None, group: str | None) -> NDArray[np.bool_]:
    """Return which rows show the image itself: its content, or its group."""
    same = np.zeros(len(images), dtype=bool)
    if key is not None and "key" in images.columns:
        same = (images["key"] == key).to_numpy(dtype=bool)
    names = groups_with(images, key) | ({group} if group is not None else set())
    return np.asarray(same | np.isin(groups, list(names)))


def _shared(
    atlas: Atlas, rows: NDArray[np.int64], query: NDArray[np.floating], weights: NDArray[np.float64]
) -> list[str]:
    """Name the latents that contribute most to each similarity, ``"12 7 300"``."""
    if not len(rows):
        return []
    products = sparse.csr_array(atlas.mean_rows(rows)).multiply((weights * query)[None, :]).tocsr()
    products.eliminate_zeros()
    names = []
    for place in range(len(rows)):
        begin, end = products.indptr[place : place + 2]
        best = np.argsort(-products.data[begin:end], kind="stable")[:N_SHARED]
        names.append(" ".join(str(latent) for latent in products.indices[begin:end][best]))
    return names
