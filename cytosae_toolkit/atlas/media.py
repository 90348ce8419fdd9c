"""What an atlas holds beside its AnnData: pictures, heat maps, and all values latent by latent.

``media/`` is no Zarr node, so readers of AnnData do not see it; below it lie ordinary Zarr arrays:

============================  ==============================================================================
``pictures/offsets``          int64 [n_images + 1], where each picture begins
``pictures/data``             uint8, lossless WebP files one after the other
``heatmaps/indptr``           int64 [d_sae + 1], where the pairs (latent, image) of each latent begin
``heatmaps/rows``             int64, image of each pair
``heatmaps/offsets``          int64 [n_pairs + 1], where the patches of each pair begin
``heatmaps/patch``            uint16, active patches
``heatmaps/activation``       float32, h on them
``by_latent/indptr``          int64 [d_sae + 1], where the images of each latent begin
``by_latent/rows``            int64; ``mean``, ``max``, ``value`` float32; ``peak`` int32
``sums/…``                    int64, exact sums over patches (`accumulators`)
============================  ==============================================================================
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.blocks import Entries, Heats
from cytosae_toolkit.atlas.writing import RowsWriter, chunk_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

ENTRY_CHUNK = 1 << 16
PICTURE_CHUNK = 1 << 18
ENTRY_TYPES = {
    "rows": np.int64,
    "mean": np.float32,
    "max": np.float32,
    "value": np.float32,
    "peak": np.int32,
}


class ByLatentWriter:
    """Writes ``media/by_latent`` range by range.

    Parameters
    ----------
    folder : Path
        The atlas, unpublished.
    """

    def __init__(self, folder: Path) -> None:
        base = folder / "media" / "by_latent"
        self._columns = {name: RowsWriter(base / name, (), dtype, ENTRY_CHUNK) for name, dtype in ENTRY_TYPES.items()}
        self._indptr = RowsWriter(base / "indptr", (), np.int64, ENTRY_CHUNK)
        self._indptr.append([0])
        self._n = 0

    def append(self, entries: Entries) -> None:
        """Append the entries of the next latents."""
        for name, writer in self._columns.items():
            writer.append(getattr(entries, name))
        self._indptr.append(entries.indptr[1:] + self._n)
        self._n += len(entries.rows)

    def close(self) -> None:
        """Write what is left."""
        for writer in (*self._columns.values(), self._indptr):
            writer.close()


class HeatsWriter:
    """Writes ``media/heatmaps`` range by range.

    Parameters
    ----------
    folder : Path
        The atlas, unpublished.
    """

    def __init__(self, folder: Path) -> None:
        base = folder / "media" / "heatmaps"
        types: dict[str, Any] = {
            "indptr": np.int64, "rows": np.int64, "offsets": np.int64, "patch": np.uint16, "activation": np.float32,
        }  # fmt: skip
        self._writers = {n: RowsWriter(base / n, (), dtype, ENTRY_CHUNK) for n, dtype in types.items()}
        for name in ("indptr", "offsets"):
            self._writers[name].append([0])
        self._n_pairs = self._n_cells = 0

    def append(self, heats: Heats) -> None:
        """Append the heat maps of the next latents."""
        write = self._writers
        write["indptr"].append(heats.indptr[1:] + self._n_pairs)
        write["rows"].append(heats.rows)
        write["offsets"].append(heats.offsets[1:] + self._n_cells)
        write["patch"].append(heats.patch)
        write["activation"].append(heats.activation)
        self._n_pairs += len(heats.rows)
        self._n_cells += len(heats.patch)

    def close(self) -> None:
        """Write what is left."""
        for writer in self._writers.values():
            writer.close()


class PicturesWriter:
    """Writes ``media/pictures`` in the order of the images.

    Parameters
    ----------
    folder : Path
        The atlas, unpublished.
    """

    def __init__(self, folder: Path) -> None:
        base = folder / "media" / "pictures"
        self._offsets = RowsWriter(base / "offsets", (), np.int64, ENTRY_CHUNK)
        self._data = RowsWriter(base / "data", (), np.uint8, PICTURE_CHUNK)
        self._offsets.append([0])
        self._n = 0

    def append(self, offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
        """Append pictures: where each begins in `data`, int64 [n + 1], and their bytes."""
        self._offsets.append(offsets[1:] + self._n)
        self._data.append(data)
        self._n += len(data)

    def close(self) -> None:
        """Write what is left."""
        self._offsets.close()
        self._data.close()


def write_sums(folder: Path, arrays: Mapping[str, NDArray[np.int64]]) -> None:
    """Write the exact sums of an atlas."""
    for name, values in arrays.items():
        step = chunk_rows(int(np.prod(values.shape[1:])), np.int64)
        with RowsWriter(folder / "media" / "sums" / name, values.shape[1:], np.int64, step) as writer:
            for start in range(0, len(values), step):  # never a second copy of all
                writer.append(values[start : start + step])


class Media:
    """Reads what lies under ``media/``.

    Parameters
    ----------
    store : zarr store
        The opened atlas.
    path : Path
        Where it lies, for messages.
    """

    def __init__(self, store: Any, path: Path) -> None:
        self._store, self._path = store, path
        self._recent_heats: tuple[int, Heats] | None = None

    def _array(self, path: str) -> Any:
        import zarr

        from cytosae_toolkit.atlas.storage import CheckedArray
        from cytosae_toolkit.atlas.writing import quiet_zarr

        with quiet_zarr():
            array = zarr.open_array(store=self._store, path=f"media/{path}", mode="r", zarr_format=3)
        return CheckedArray(array, self._path)

    @cached_property
    def _by_latent(self) -> dict[str, Any]:
        return {name: self._array(f"by_latent/{name}") for name in ENTRY_TYPES}

    @cached_property
    def _entry_indptr(self) -> NDArray[np.int64]:
        return np.asarray(self._array("by_latent/indptr")[:])

    @cached_property
    def _heat_arrays(self) -> dict[str, Any]:
        return {name: self._array(f"heatmaps/{name}") for name in ("rows", "offsets", "patch", "activation")}

    @cached_property
    def _heat_indptr(self) -> NDArray[np.int64]:
        return np.asarray(self._array("heatmaps/indptr")[:])

    @cached_property
    def _pictures(self) -> tuple[NDArray[np.int64], Any]:
        return np.asarray(self._array("pictures/offsets")[:]), self._array("pictures/data")

    def latent_counts(self) -> NDArray[np.int64]:
        """Return the number of images on which each latent is active, int64 [d_sae]."""
        return np.diff(self._entry_indptr)

    def entries(self, first: int, stop: int) -> Entries:
        """Return the entries of latents ``first … stop-1``."""
        indptr = self._entry_indptr[first : stop + 1]
        a, b = int(indptr[0]), int(indptr[-1])
        return Entries(indptr - a, *(np.asarray(array[a:b]) for array in self._by_latent.values()))

    def column(self, latent: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the images on which a latent is active, and m_i on them."""
        a, b = (int(i) for i in self._entry_indptr[latent : latent + 2])
        return np.asarray(self._by_latent["rows"][a:b]), np.asarray(self._by_latent["mean"][a:b])

    def heats(self, first: int, stop: int) -> Heats:
        """Return the heat maps of latents ``first … stop-1``."""
        indptr = self._heat_indptr[first : stop + 1]
        a, b = int(indptr[0]), int(indptr[-1])
        offsets = np.asarray(self._heat_arrays["offsets"][a : b + 1])
        c, d = int(offsets[0]), int(offsets[-1])
        rows, patch, activation = (
            np.asarray(self._heat_arrays[name][i:j]) for name, i, j in
            (("rows", a, b), ("patch", c, d), ("activation", c, d))
        )  # fmt: skip
        return Heats(indptr - a, rows, offsets - c, patch, activation)

    def heats_of(self, latent: int) -> Heats:
        """Return the heat maps of one latent; those of the latent asked for last are remembered."""
        known = self._recent_heats
        if known is None or known[0] != latent:
            known = self._recent_heats = latent, self.heats(latent, latent + 1)
        return known[1]

    def picture_bytes(self, first: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return the pictures of images ``first … stop-1``: where each begins, and the bytes."""
        offsets, data = self._pictures
        part = offsets[first : stop + 1]
        return part - part[0], np.asarray(data[int(part[0]) : int(part[-1])])

    def sums(self) -> dict[str, NDArray[np.int64]]:
        """Return the exact sums, by name."""
        names = ("position_sum", "square_high", "square_low", "active_patches", "active_tokens", "n_images", "counts")
        return {name: np.asarray(self._array(f"sums/{name}")[:]) for name in names}
