"""The tokens of an image set, computed on demand: for `--no-token-store`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cytosae_toolkit.images import Skipped
from cytosae_toolkit.tokens.compute import Group, TokenComputer
from cytosae_toolkit.tokens.images import ImageSource
from cytosae_toolkit.tokens.reader import BaseTokenSet
from cytosae_toolkit.tokens.shards import BLOCK


class LiveView(BaseTokenSet):
    """An image set whose tokens are computed whenever they are read, with the values that a store would have.

    Batches have a fixed shape and tokens are rounded to the identity's type, as in a store. Only the tokens
    of the last 64 images are remembered, so memory stays flat.

    Parameters
    ----------
    images : ImageSource
        The image table.
    computer : TokenComputer
        Backbone, layer, type and precision.
    table_rows : int array, optional
        Rows of the image table that belong to the set, all by default.
    skipped : sequence of Skipped
        Images of the table that were left out.
    """

    store = None

    def __init__(
        self,
        images: ImageSource,
        computer: TokenComputer,
        table_rows: ArrayLike | None = None,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        keys = list(images.content_keys())
        self.images = images
        self.computer = computer
        self.identity = computer.identity
        self.table_rows = np.asarray(range(len(keys)) if table_rows is None else table_rows, dtype=np.int64)
        self.keys = [keys[row] for row in self.table_rows]
        self.skipped = tuple(skipped)
        self._recent: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"LiveView({len(self)} images, {self.identity.describe()})"

    def read(self, indices: ArrayLike) -> NDArray[Any]:
        """Compute the tokens of images.

        Parameters
        ----------
        indices : int array [n]
            Positions in this set, in any order; negative count from the end.

        Returns
        -------
        array [n, n_tokens, d_model]
            In the identity's type (float16 or float32).

        Raises
        ------
        CytosaeError
            If an image cannot be decoded, or its tokens are not finite or do not fit their type.
        """
        rows = self.table_rows[np.asarray(indices, dtype=np.int64)]
        out = np.empty((len(rows), *self.identity.image_shape), dtype=self.identity.numpy_dtype)
        with self._lock:  # one pass through the backbone at a time
            missing = self._recall(rows, out)
            for start in range(0, len(missing), BLOCK):
                self._compute(missing[start : start + BLOCK], rows, out)
        return out

    def _recall(self, rows: NDArray[np.int64], out: NDArray[Any]) -> list[int]:
        """Fill in what is remembered; return the rows of the table that are not, each once."""
        missing: dict[int, None] = {}
        for position, row in enumerate(rows.tolist()):
            if row in self._recent:
                out[position] = self._recent[row]
            else:
                missing[row] = None
        return list(missing)

    def _compute(self, missing: list[int], rows: NDArray[np.int64], out: NDArray[Any]) -> None:
        with closing(self.computer.run(self.images, [Group(0, missing)])) as results:
            result = next(results)
        for error in result.unreadable.values():
            raise error
        for row, tokens in zip(missing, result.tokens, strict=True):
            out[rows == row] = tokens
            self._recent[row] = tokens
        while len(self._recent) > BLOCK:
            self._recent.popitem(last=False)

    def subset(self, indices: ArrayLike) -> LiveView:
        """Return the set of some of the images, in the order given."""
        chosen = np.asarray(indices, dtype=np.int64)
        return LiveView(self.images, self.computer, self.table_rows[chosen], self.skipped)
