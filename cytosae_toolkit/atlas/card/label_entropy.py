"""Do the reference images of a unit carry one label? The label entropy of matrices of image-level activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from cytosae_toolkit.atlas.columns import Columns, ImageFacts
from cytosae_toolkit.atlas.label_statistics import label_statistics

UNITS_AT_ONCE = 4096


@dataclass(frozen=True)
class LabelEntropy:
    """Label entropy of units, in nats; definitions in `cytosae_toolkit.atlas.label_statistics`.

    Parameters
    ----------
    entropy, shuffled : float64 array [n_units]
        Over the ten best images, one per group, and what labels dealt at random would give; NaN with fewer than ten.
    """

    entropy: NDArray[np.float64]
    shuffled: NDArray[np.float64]


def label_entropy(activations: Any, labels: NDArray[np.object_], groups: NDArray[np.str_]) -> LabelEntropy:
    """Return the label entropy of units.

    Parameters
    ----------
    activations : float array or sparse matrix [n_images, n_units]
        Image-level activations, not negative.
    labels : object array [n_images]
        str, or None where unknown; at least one is known.
    groups : str array [n_images]
        Images of one cell.
    """
    facts = _facts(labels, groups)
    columns = sparse.csc_array(activations) if sparse.issparse(activations) else activations
    found = [
        label_statistics(_columns(columns[:, start : start + UNITS_AT_ONCE]), facts)
        for start in range(0, activations.shape[1], UNITS_AT_ONCE)
    ]
    known = [part for part in found if part is not None]
    return LabelEntropy(
        np.concatenate([part.entropy for part in known]), np.concatenate([part.entropy_shuffled for part in known])
    )


def _columns(activations: Any) -> Columns:
    matrix = sparse.csc_array(activations, dtype=np.float32)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    n_images, n_units = matrix.shape
    return Columns(
        first=0,
        n_latents=n_units,
        n_images=n_images,
        indptr=matrix.indptr.astype(np.int64),
        rows=matrix.indices.astype(np.int64),
        mean=matrix.data,
        max=matrix.data,
        value=matrix.data,
        peak=np.full(matrix.nnz, -1, dtype=np.int32),
    )


def _facts(labels: NDArray[np.object_], groups: NDArray[np.str_]) -> ImageFacts:
    codes, names = pd.factorize(labels)
    n = len(labels)
    unknown = np.full(n, np.nan)
    return ImageFacts(
        labels=codes.astype(np.int32),
        label_names=[str(name) for name in names],
        groups=pd.factorize(groups)[0].astype(np.int64),
        sets=np.zeros(n, dtype=np.int32),
        set_names=["images"],
        patients=np.full(n, -1, dtype=np.int32),
        colour=np.full((n, 9), np.nan, dtype=np.float32),
        nuclear_area=unknown,
        nc_ratio=unknown,
        cell_size=unknown,
        keys=np.arange(n, dtype=np.uint64),
    )
