"""The images that show a latent, read latent by latent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.image_texts import ImageTexts
from cytosae_toolkit.atlas.media import Media
from cytosae_toolkit.atlas.sampling import evenly
from cytosae_toolkit.atlas.storage import CheckedArray, damaged

KINDS = ("top", "typical", "miss")


@dataclass(frozen=True)
class Reference:
    """An image that shows a latent, or by its absence what it is not.

    Parameters
    ----------
    latent, row : int
        Latent; row of `Atlas.images`.
    value : float
        m_i, the mean of the activation over all tokens of the image; 0 for a near miss.
    peak : int
        Patch of the largest activation, row-major; -1 if only a prefix token fires.
    id : str
        Image id.
    label, patient : str or None
        Where known.
    group, set : str
        Images of one cell share a group; image set.
    quartile : int or None
        Of activation, 0 (weakest) to 3, for typical images.
    """

    latent: int
    row: int
    value: float
    peak: int
    id: str
    label: str | None
    patient: str | None
    group: str
    set: str
    quartile: int | None = None


class ReferenceReader:
    """Reads which images show a latent; of the atlas's tables no more than that.

    Parameters
    ----------
    group : zarr.Group
        Of the atlas.
    path : Path
        Where it lies, for messages.
    media : Media
        Knows on which images a latent is active.
    texts : ImageTexts
        What is known of the images.
    """

    def __init__(self, group: Any, path: Path, media: Media, texts: ImageTexts) -> None:
        self._group, self._path, self._media, self._texts = group, path, media, texts
        self._varm: dict[str, CheckedArray] = {}

    def read(self, latent: int, kind: str, set: str | None, limit: int | None) -> list[Reference]:
        """Return the images of a kind that show a latent; see `cytosae_toolkit.atlas.reading.Atlas.references`.

        Parameters
        ----------
        latent : int
            Which; it must exist, as `set` must.
        kind : str
            One of `KINDS`.
        set : str or None
            Only the best of this image set; for ``"top"``.
        limit : int or None
            How many at most.
        """
        rows, peaks = self._chosen(latent, kind, set)
        slots = np.flatnonzero(rows >= 0)
        if kind == "typical" and limit is not None:
            slots = slots[evenly(slots * 4 // len(rows), limit)]
        slots = slots[:limit]
        values = self._values(latent, rows[slots])
        quartiles = [slot * 4 // len(rows) if kind == "typical" else None for slot in slots.tolist()]
        return [
            self._reference(latent, row, value, peak, quartile)
            for row, value, peak, quartile in zip(
                rows[slots].tolist(), values, peaks[slots].tolist(), quartiles, strict=True
            )
        ]

    def _chosen(self, latent: int, kind: str, set: str | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        suffix = "" if set is None else f":{set}"
        if kind == "miss":
            rows = self._varm_row("miss_rows", latent)
            return rows, np.full(len(rows), -1)
        prefix = "ref" if kind == "top" else "typical"
        return self._varm_row(f"{prefix}_rows{suffix}", latent), self._varm_row(f"{prefix}_peaks{suffix}", latent)

    def _varm_row(self, name: str, latent: int) -> NDArray[np.int64]:
        if name not in self._varm:
            try:
                self._varm[name] = CheckedArray(self._group[f"varm/{name}"], self._path)
            except KeyError as error:
                raise damaged(self._path, error) from error
        return np.asarray(self._varm[name][latent], dtype=np.int64)

    def _values(self, latent: int, rows: NDArray[np.int64]) -> list[float]:
        active, means = self._media.column(latent)
        at = np.minimum(np.searchsorted(active, rows), max(len(active) - 1, 0))
        if not len(active):
            return [0.0] * len(rows)
        return [float(means[i]) if active[i] == row else 0.0 for i, row in zip(at, rows, strict=True)]

    def _reference(self, latent: int, row: int, value: float, peak: int, quartile: int | None) -> Reference:
        known = self._texts
        return Reference(
            latent, row, value, peak, str(known["id"][row]), known["label"][row] or None,
            known["patient"][row] or None, str(known["group"][row]), str(known["set"][row]), quartile,
        )  # fmt: skip
