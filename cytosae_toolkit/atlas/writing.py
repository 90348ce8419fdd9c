"""Writing an AnnData folder (Zarr v3) piece by piece, in memory that does not grow with the number of images.

The order is free but for the end: `CSRWriter` and `RowsWriter` stream ``X``, ``layers/…`` and ``obsm/…`` into an
unpublished folder, then `write_anndata` adds the tables, keeps what was streamed, and consolidates the metadata.
Everything is numbers and UTF-8 strings: no pickles, no object arrays. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import pandas as pd
    import zarr
    from scipy.sparse import csr_matrix

CHUNK_ENTRIES = 1 << 20
"""Stored values per chunk of a sparse matrix: 4 MiB of values and as much of column indices."""

CHUNK_BYTES = 1 << 22
"""Size of the chunks of dense arrays, which hold whole rows."""

_MAPPINGS = ("layers", "obsm", "varm", "obsp", "varp", "uns")


@contextmanager
def quiet_zarr() -> Iterator[None]:
    """Keep to itself that zarr 3 consolidates metadata and writes strings ahead of the specification.

    Both are how AnnData stores itself in Zarr v3; a user can do nothing about it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="zarr")
        warnings.filterwarnings("ignore", message=".*(Zarr format 3|Zarr V3|zarr v3).*")
        yield


def chunk_rows(width: int, dtype: Any, limit: int = CHUNK_BYTES) -> int:
    """Return how many whole rows of so many numbers make a chunk of about `limit` bytes."""
    return max(1, limit // max(1, width * int(np.dtype(dtype).itemsize)))


class RowsWriter:
    """Append rows to a new dense Zarr array that AnnData reads, such as ``obsm/cls``.

    Only what does not fill a chunk yet is held in memory.

    Parameters
    ----------
    path : Path
        Folder of the array, such as ``a.atlas.zarr/obsm/cls``; groups above it are made.
    shape : tuple of int
        Shape of one row, ``()`` for numbers.
    dtype : numpy dtype
        What is stored.
    rows_per_chunk : int, optional
        Chunks of about 4 MiB without it; give the number of rows where there are fewer.

    Notes
    -----
    A context manager; on leaving, the last rows are written. After an error inside the block they are not.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any, rows_per_chunk: int | None = None) -> None:
        self.dtype = np.dtype(dtype)
        self._rows_per_chunk = rows_per_chunk or chunk_rows(int(np.prod(shape, dtype=np.int64)), dtype)
        self._shape = shape
        self._array = _create_array(Path(path), shape, self.dtype, self._rows_per_chunk)
        self._waiting: list[NDArray[Any]] = []
        self._n_waiting = 0
        self.n_rows = 0

    def append(self, rows: ArrayLike) -> None:
        """Append an array [n, …] of rows; they are copied.

        Raises
        ------
        ValueError
            If a row has another shape.
        """
        block = np.array(rows, dtype=self.dtype)
        if block.shape[1:] != self._shape:
            raise ValueError(f"rows of shape {block.shape[1:]} do not fit an array of rows {self._shape}")
        self._waiting.append(block)
        self._n_waiting += len(block)
        self.n_rows += len(block)
        if self._n_waiting >= self._rows_per_chunk:
            self._flush(self._n_waiting - self._n_waiting % self._rows_per_chunk)

    def close(self) -> None:
        """Write what is left."""
        if self._n_waiting:
            self._flush(self._n_waiting)

    def _flush(self, n: int) -> None:
        """Write the first `n` waiting rows: whole chunks, or at the end what there is."""
        rows = np.concatenate(self._waiting)
        start = self.n_rows - self._n_waiting
        self._array.resize((start + n, *self._shape))
        self._array[start : start + n] = rows[:n]
        self._waiting = [rows[n:].copy()] if n < len(rows) else []
        self._n_waiting -= n

    def __enter__(self) -> RowsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()


class CSRWriter:
    """Append blocks of rows to a sparse matrix on disk that AnnData reads as `csr_matrix`.

    Values are float32, column indices and row pointers of one type (scikit-learn refuses a mixture), in chunks of
    `CHUNK_ENTRIES`; memory holds less than one chunk and the block.

    Parameters
    ----------
    group_path : Path
        The AnnData folder, or its ``layers``; made if need be.
    name : str
        Name of the matrix, such as ``"X"`` or ``"mean"``.
    shape : tuple of int
        Rows and columns of the finished matrix.
    chunk : int
        Stored values per chunk.
    large : bool
        Whether there may be 2³¹ values or more: then indices and pointers are int64, else int32.

    Notes
    -----
    A context manager. Only `close`, when as many rows have come as `shape` says, makes it a matrix for readers.
    """

    def __init__(
        self, group_path: Path, name: str, shape: tuple[int, int], chunk: int = CHUNK_ENTRIES, *, large: bool = False
    ) -> None:
        self.shape = shape
        self.n_rows = 0
        self._path = Path(group_path) / name
        _create_group(self._path)
        entries = max(1, min(chunk, shape[0] * shape[1]))
        self._data = RowsWriter(self._path / "data", (), np.float32, entries)
        index_type = np.int64 if large else np.int32
        self._indices = RowsWriter(self._path / "indices", (), index_type, entries)
        self._indptr = RowsWriter(self._path / "indptr", (), index_type, min(chunk, shape[0] + 1))
        self._indptr.append([0])

    def append(self, block: csr_matrix) -> None:
        """Append rows.

        Parameters
        ----------
        block : scipy.sparse.csr_matrix [n, columns]
            Or csr_array; sorted column indices, no explicit zeros (both are not changed here).

        Raises
        ------
        ValueError
            If it has another number of columns, too many rows have come, or too many values for int32.
        """
        if block.shape[1] != self.shape[1]:
            raise ValueError(f"a block of {block.shape[1]} columns does not fit a matrix of {self.shape[1]}")
        if self.n_rows + block.shape[0] > self.shape[0]:
            raise ValueError(f"more than the {self.shape[0]} rows announced")
        stored = self._data.n_rows
        if stored + block.nnz > np.iinfo(self._indptr.dtype).max:
            raise ValueError("2³¹ values or more need large=True")
        self._data.append(block.data)
        self._indices.append(block.indices)
        self._indptr.append(np.asarray(block.indptr[1:], dtype=np.int64) + stored)
        self.n_rows += block.shape[0]

    def close(self) -> None:
        """Write what is left, and what makes it a matrix for readers.

        Raises
        ------
        ValueError
            If rows are missing.
        """
        if self.n_rows != self.shape[0]:
            raise ValueError(f"only {self.n_rows} of the {self.shape[0]} rows announced have come")
        for part in (self._data, self._indices, self._indptr):
            part.close()
        _set_attributes(self._path, "csr_matrix", "0.1.0", shape=list(self.shape))

    def __enter__(self) -> CSRWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()


def write_anndata(
    folder: Path,
    *,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    uns_record: Mapping[str, Any],
    obsm: Mapping[str, NDArray[Any]] | None = None,
    varm: Mapping[str, NDArray[Any]] | None = None,
    X: csr_matrix | None = None,
    layers: Mapping[str, csr_matrix] | None = None,
) -> None:
    """Write an AnnData into a folder, beside what was streamed into it, and consolidate the metadata.

    Parameters
    ----------
    folder : Path
        An unpublished folder (see `atomic_folder`); it may hold ``X``, ``layers/…`` and ``obsm/…`` already, and
        folders that are no Zarr nodes, such as ``media``.
    obs, var : pandas.DataFrame
        Cells [n_images rows] and latents [d_sae rows]; the index holds strings. Columns are bool, numbers, strings
        (missing ones become ``""``) or categories of strings.
    uns_record : mapping
        JSON-compatible, NaN refused; stored as the text ``uns['cytosae']['record']``.
    obsm, varm : mapping of str to array, optional
        Arrays with as many rows as `obs` or `var`.
    X, layers : scipy.sparse.csr_matrix, optional
        Matrices [n_images, d_sae] that were not streamed.

    Raises
    ------
    TypeError
        If a column or an array holds Python objects other than strings.
    ValueError
        If the record holds NaN.
    """
    import zarr

    folder = Path(folder)
    record = json.dumps(uns_record, allow_nan=False, ensure_ascii=False)
    with quiet_zarr():
        root = zarr.open_group(folder, mode="a", zarr_format=3)
        _write_tables(root, obs, var)
        for name in _MAPPINGS:
            _mapping_group(root, name)
        for kind, arrays in (("obsm", obsm), ("varm", varm)):
            for name, array in (arrays or {}).items():
                _write_array(folder / kind / name, array)
        for path, matrix in _matrices(folder, X, layers):
            with CSRWriter(path.parent, path.name, matrix.shape, large=matrix.nnz >= 2**31) as sparse:
                sparse.append(matrix)
        _write_record(root, record)
        root.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        zarr.consolidate_metadata(str(folder), zarr_format=3)


def _write_tables(root: zarr.Group, obs: pd.DataFrame, var: pd.DataFrame) -> None:
    from anndata.io import write_elem

    write_elem(root, "obs", _plain_table(obs))
    write_elem(root, "var", _plain_table(var))


def _write_record(root: zarr.Group, record: str) -> None:
    from anndata.io import write_elem

    write_elem(root, "uns", {"cytosae": {"record": record}})


def _matrices(folder: Path, x: csr_matrix | None, layers: Mapping[str, csr_matrix] | None) -> list[tuple[Path, Any]]:
    found = [] if x is None else [(folder / "X", x)]
    return found + [(folder / "layers" / name, matrix) for name, matrix in (layers or {}).items()]


def _plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text columns are plain strings, none of them missing."""
    import pandas as pd

    plain = table.copy()
    plain.index = pd.Index(plain.index.astype(str), dtype=object, name=None)
    for name in plain.columns:
        column = plain[name]
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind in "biuf":
            continue
        texts = column.astype(object).where(column.notna(), "")
        if not all(isinstance(value, str) for value in texts):
            raise TypeError(f"the column {name!r} holds neither numbers nor text")
        plain[name] = texts
    return plain


def _write_array(path: Path, array: NDArray[Any]) -> None:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"the array {path.name!r} holds {array.dtype}, not numbers")
    width = int(np.prod(array.shape[1:], dtype=np.int64))
    rows = min(max(1, len(array)), chunk_rows(width, array.dtype))
    with RowsWriter(path, array.shape[1:], array.dtype, rows) as writer:
        writer.append(array)


def _mapping_group(root: zarr.Group, name: str) -> None:
    group = root.require_group(name)
    group.attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})


def _create_group(path: Path) -> None:
    """Make a Zarr group and those above it up to the AnnData folder."""
    import zarr

    with quiet_zarr():
        if not (path.parent / "zarr.json").exists():
            zarr.open_group(path.parent, mode="a", zarr_format=3)
        zarr.open_group(path, mode="a", zarr_format=3)


def _create_array(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], rows_per_chunk: int) -> zarr.Array[Any]:
    import zarr

    with quiet_zarr():
        return zarr.create_array(
            str(path),
            shape=(0, *shape),
            chunks=(rows_per_chunk, *(max(1, n) for n in shape)),
            dtype=dtype,
            zarr_format=3,
            attributes={"encoding-type": "array", "encoding-version": "0.2.0"},
        )


def _set_attributes(path: Path, kind: str, version: str, **more: Any) -> None:
    import zarr

    with quiet_zarr():
        group = zarr.open_group(path, mode="r+", zarr_format=3)
        group.attrs.update({"encoding-type": kind, "encoding-version": version, **more})
