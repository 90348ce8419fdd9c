"""The tokens of images in memory, read a few images at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.training.evaluation import IMAGES_AT_ONCE


class FewTokens:
    """Tokens float16 [n, n_tokens, d_model], of which nobody may read many images at once."""

    def __init__(self, values: NDArray[np.float16]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def read(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.float16]:
        """Return some of them."""
        assert len(indices) <= IMAGES_AT_ONCE
        return self.values[indices]
