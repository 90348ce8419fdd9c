"""Where training tokens lie, against which the reconstruction error of an image is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cytosae_toolkit.training.evaluation import IMAGES_AT_ONCE
from cytosae_toolkit.training.moments import DOMINANT_DIMENSION

if TYPE_CHECKING:
    from cytosae_toolkit.training.evaluation import TokenImages


@dataclass(frozen=True)
class TokenSpread:
    """Where training tokens lie, against which the error of an image is held.

    Parameters
    ----------
    mean : tuple of float
        x̄, d_model numbers.
    excluded : tuple of int
        Dimensions that hold more than half of the variance; they are left out of errors and distances.
    """

    mean: tuple[float, ...]
    excluded: tuple[int, ...]

    @classmethod
    def of_images(cls, view: TokenImages, indices: NDArray[np.integer[Any]]) -> TokenSpread:
        """Measure all tokens of some images, in float64."""
        shift, count = np.zeros(1), 0
        total, squares = np.zeros(1), np.zeros(1)
        for tokens in images_of(view, indices):
            x = tokens.astype(np.float64)
            shift = x.mean(axis=0) if count == 0 else shift  # so that nothing cancels
            total = total + (x - shift).sum(axis=0)
            squares = squares + np.square(x - shift).sum(axis=0)
            count += len(x)
        variance = squares / count - np.square(total / count)
        dominant = np.flatnonzero(variance > DOMINANT_DIMENSION * max(variance.sum(), 1e-300))
        return cls(tuple((shift + total / count).tolist()), tuple(dominant.tolist()))

    @cached_property
    def _mean(self) -> Tensor:
        return torch.tensor(self.mean, dtype=torch.float64)

    @cached_property
    def _kept(self) -> Tensor:
        kept = torch.ones(len(self.mean), dtype=torch.float64)
        kept[list(self.excluded)] = 0
        return kept

    @torch.no_grad()
    def fvu(self, tokens: Tensor, reconstructed: Tensor) -> float:
        """Return the FVU of one image, 0 if all its tokens are the mean token.

        Parameters
        ----------
        tokens, reconstructed : torch.Tensor
            float32 [n_tokens, d_model], prefix included.
        """
        x = tokens.to("cpu", torch.float64)
        error = ((x - reconstructed.to("cpu", torch.float64)).square() @ self._kept).sum()
        distance = ((x - self._mean).square() @ self._kept).sum()
        return float(error / distance) if distance else 0.0


def images_of(view: TokenImages, indices: NDArray[np.integer[Any]]) -> Iterator[NDArray[Any]]:
    """Yield the tokens of images one by one, reading some at a time."""
    for start in range(0, len(indices), IMAGES_AT_ONCE):
        yield from view.read(indices[start : start + IMAGES_AT_ONCE])
