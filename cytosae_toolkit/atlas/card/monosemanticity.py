"""Monosemanticity: are the images that a latent likes alike? In closed form, in one pass.

With unit embeddings e_i, activations a_i ≥ 0, m = min a and a'_i = a_i - m, the score of a latent is the mean cosine
of pairs of images, weighted by a'_i a'_j:

    MS = Σ_{i≠j} a'_i a'_j e_i·e_j / Σ_{i≠j} a'_i a'_j

which takes N² steps. With V = Σ a_i e_i, U = Σ e_i, s1 = Σ a_i, s2 = Σ a_i², V' = V - m U, s1' = s1 - N m and
s2' = s2 - 2 m s1 + N m² it is (‖V'‖² - s2') / (s1'² - s2').
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

IMAGES_AT_ONCE = 1024
UNITS_AT_ONCE = 4096

Activations = Any
"""float [n_images, n_units], a dense array or a SciPy CSR matrix."""


def unit_rows(embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return rows of length 1, float64 [n, d]; rows of zeros stay zero."""
    exact = embeddings.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(np.divide(exact, norms, out=np.zeros_like(exact), where=norms > 0))


class MonosemanticityAccumulator:
    """Accumulate V, U, s1, s2 and m in float64, some images at a time.

    Parameters
    ----------
    n_units, d_embedding : int
        Sizes.
    """

    def __init__(self, n_units: int, d_embedding: int) -> None:
        self._weighted = np.zeros((n_units, d_embedding))
        self._sum = np.zeros(d_embedding)
        self._s1, self._s2 = np.zeros(n_units), np.zeros(n_units)
        self._min = np.full(n_units, np.inf)
        self._n = 0

    def update(self, activations: Activations, embeddings: NDArray[np.float64]) -> None:
        """Add images.

        Parameters
        ----------
        activations : float array or CSR matrix [n, n_units]
            Not negative.
        embeddings : float64 array [n, d_embedding]
            Unit rows.
        """
        a = activations.astype(np.float64)
        self._weighted += a.T @ embeddings
        self._sum += embeddings.sum(axis=0)
        self._s1 += _flat(a.sum(axis=0))
        self._s2 += _flat((a.multiply(a) if sparse.issparse(a) else a * a).sum(axis=0))
        self._min = np.minimum(self._min, _flat(a.min(axis=0)))
        self._n += a.shape[0]

    def compute(self) -> NDArray[np.float64]:
        """Return the score of each unit, float64 [n_units], -1 to 1; NaN with fewer than two images above the least."""
        m = np.where(np.isfinite(self._min), self._min, 0.0)
        s1 = self._s1 - self._n * m
        s2 = self._s2 - 2 * m * self._s1 + self._n * m**2
        below = s1**2 - s2
        squares = np.concatenate([self._squared_norms(m, start) for start in range(0, len(m), UNITS_AT_ONCE)])
        defined = below > 1e-12 * np.maximum(s1**2, 1e-300)
        return np.asarray(np.divide(squares - s2, below, out=np.full(len(m), np.nan), where=defined))

    def _squared_norms(self, m: NDArray[np.float64], start: int) -> NDArray[np.float64]:
        """Return ‖V'‖² of some units."""
        part = slice(start, start + UNITS_AT_ONCE)
        return np.asarray(np.square(self._weighted[part] - np.outer(m[part], self._sum)).sum(axis=1))


def _flat(values: Any) -> NDArray[np.float64]:
    dense = values.toarray() if sparse.issparse(values) else np.asarray(values)
    return np.asarray(dense, dtype=np.float64).reshape(-1)


def monosemanticity(activations: Activations, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the monosemanticity score of units.

    Parameters
    ----------
    activations : float array or CSR matrix [n_images, n_units]
        Image-level activations, not negative.
    embeddings : float array [n_images, d]
        Embedding of each image, of any length.

    Returns
    -------
    float64 array [n_units]
        NaN where no two images differ from the least active one.

    Notes
    -----
    Definition and closed form stand at the top of this module; Pach et al., Sparse Autoencoders Learn Monosemantic
    Features in Vision-Language Models, 2025.
    """
    units = unit_rows(embeddings)
    accumulator = MonosemanticityAccumulator(activations.shape[1], units.shape[1])
    for start in range(0, len(units), IMAGES_AT_ONCE):
        part = slice(start, start + IMAGES_AT_ONCE)
        accumulator.update(activations[part], units[part])
    return accumulator.compute()


def without_preference(embeddings: NDArray[np.floating[Any]]) -> float:
    """Return the score of a unit that likes all images alike: the mean cosine of all pairs; NaN for one image."""
    units = unit_rows(embeddings)
    n = len(units)
    if n < 2:
        return float("nan")
    return float((np.square(units.sum(axis=0)).sum() - np.square(units).sum()) / (n * (n - 1)))
