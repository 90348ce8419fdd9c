"""Reference images that the published CytoSAE code found, with their labels, and what these say of a latent.

Slots whose value is 0 are empty, whatever index and label stand there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.label_statistics import REFERENCES as REFERENCES_OF_ENTROPY
from cytosae_toolkit.atlas.published_tensors import REFERENCES
from cytosae_toolkit.errors import CytosaeError


@dataclass(frozen=True)
class LabelledReferences:
    """Reference images of all latents and what they are; empty slots are NaN and -1.

    Parameters
    ----------
    values : float64 array [d_sae, k]
        Image-level activation m_i, best first.
    indices : int64 array [d_sae, k], optional
        Index of the image in the published code's shuffle.
    labels : int32 array [d_sae, k], optional
        Position in `label_names`.
    label_names : list of str
        Empty without labels.
    """

    values: NDArray[np.float64]
    indices: NDArray[np.int64] | None
    labels: NDArray[np.int32] | None
    label_names: list[str]

    @property
    def n_references(self) -> NDArray[np.int64]:
        """Number of reference images of each latent, int64 [d_sae]."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1))


def find_references(tensors: dict[str, NDArray[Any]], names: list[str], folder: Path) -> LabelledReferences | None:
    """Return the reference images among tensors that were read, best first; None if there are none.

    Parameters
    ----------
    tensors : dict of str to array
        See `cytosae_toolkit.atlas.published_tensors.read_tensors`.
    names : list of str
        Class names.
    folder : Path
        Where the tensors lie, for messages.

    Raises
    ------
    CytosaeError
        If shapes differ, or a label has no name.
    """
    if "values" not in tensors:
        return None
    values = np.nan_to_num(tensors["values"].astype(np.float64))
    for name in ("indices", "labels"):
        if name in tensors and tensors[name].shape != values.shape:
            raise CytosaeError(f"{folder / REFERENCES[name]}.pt does not have the shape of the reference values.")
    order = np.argsort(-values, axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1)
    found = {
        name: np.where(values > 0, np.take_along_axis(tensors[name], order, axis=1), -1).astype(np.int64)
        for name in ("indices", "labels")
        if name in tensors
    }
    labels = found["labels"].astype(np.int32) if "labels" in found else None
    if labels is not None and labels.max(initial=-1) >= len(names):
        raise CytosaeError(
            f"Label {labels.max()} of a reference image in {folder} has no name: there are {len(names)} class names.",
            "Name the list of the classes with --classnames FILE.",
        )
    return LabelledReferences(
        np.where(values > 0, values, np.nan), found.get("indices"), labels, names if labels is not None else []
    )


def label_columns(references: LabelledReferences, labels: NDArray[np.int32]) -> pd.DataFrame:
    """Return label entropy over the ten best references, and the label with the largest share of their activation.

    Parameters
    ----------
    references : LabelledReferences
        Of all latents.
    labels : int32 array [d_sae, k]
        Theirs.

    Returns
    -------
    pandas.DataFrame
        ``label_entropy, dominant_label, dominant_share``; NaN with fewer than ten references.
    """
    best = slice(None, REFERENCES_OF_ENTROPY)
    shares = label_shares(references.values[:, best], labels[:, best], len(references.label_names))
    enough = references.n_references >= REFERENCES_OF_ENTROPY
    some = references.n_references > 0
    dominant = np.array(references.label_names, dtype=object)[np.nan_to_num(shares).argmax(axis=1)]
    return pd.DataFrame(
        {
            "label_entropy": np.where(enough, entropy(shares), np.nan),
            "dominant_label": np.where(some, dominant, ""),
            "dominant_share": np.where(enough, shares.max(axis=1), np.nan),
        }
    )


def label_shares(values: NDArray[np.float64], labels: NDArray[np.int32], n_labels: int) -> NDArray[np.float64]:
    """Return the share of each label in the activation of a latent's reference images.

    Parameters
    ----------
    values : float64 array [d_sae, k]
        Image-level activations; NaN where empty.
    labels : int32 array [d_sae, k]
        Labels; -1 where empty.
    n_labels : int
        How many there are.

    Returns
    -------
    float64 array [d_sae, n_labels]
        p_c; NaN for latents without references.
    """
    shares = np.zeros((len(values), n_labels))
    latents, slots = np.nonzero(labels >= 0)
    np.add.at(shares, (latents, labels[latents, slots]), values[latents, slots])
    sums = shares.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(shares, sums, out=np.full_like(shares, np.nan), where=sums > 0))


def entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -Σ p ln p of each row of shares [n, n_labels], float64 [n]; NaN where shares are."""
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(0.0 - (shares * logs).sum(axis=1))
