"""Some rows of an atlas's matrices, without reading the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.storage import CheckedArray

if TYPE_CHECKING:
    from scipy import sparse


class MatrixReader:
    """Reads the compressed sparse rows of an AnnData.

    Parameters
    ----------
    group : zarr.Group
        Of the atlas.
    path : Path
        Where it lies, for messages.
    n_columns : int
        Of every matrix.
    """

    def __init__(self, group: Any, path: Path, n_columns: int) -> None:
        self._group, self._path, self._n_columns = group, path, n_columns
        self._indptrs: dict[str, NDArray[np.int64]] = {}

    def rows(self, name: str, rows: Sequence[int] | NDArray[np.integer[Any]]) -> sparse.csr_matrix:
        """Return some rows of a matrix, such as ``"layers/mean"``, CSR [n, n_columns].

        Neighbouring rows are read at once; nothing else is read.
        """
        from scipy import sparse

        matrix = {part: CheckedArray(self._group[f"{name}/{part}"], self._path) for part in ("data", "indices")}
        indptr, chosen = self._indptr(name), np.asarray(rows, dtype=np.int64)
        runs = np.split(chosen, np.flatnonzero(np.diff(chosen) != 1) + 1) if len(chosen) else []
        spans = [(int(indptr[run[0]]), int(indptr[run[-1] + 1])) for run in runs]
        data = [np.asarray(matrix["data"][a:b]) for a, b in spans]
        indices = [np.asarray(matrix["indices"][a:b]) for a, b in spans]
        lengths = indptr[chosen + 1] - indptr[chosen]
        joined = (np.concatenate([*data, np.zeros(0, np.float32)]), np.concatenate([*indices, np.zeros(0, np.int32)]))
        return sparse.csr_matrix((*joined, np.append(0, np.cumsum(lengths))), shape=(len(chosen), self._n_columns))

    def _indptr(self, name: str) -> NDArray[np.int64]:
        if name not in self._indptrs:
            self._indptrs[name] = np.asarray(CheckedArray(self._group[f"{name}/indptr"], self._path)[:])
        return self._indptrs[name]
