"""Hold images out, so that nothing about a patient or a cell leaks from one side to the other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.images.table import ImageTable

Rows = npt.NDArray[np.int64]
"""Row numbers of an image table, ascending."""


@dataclass(frozen=True)
class Split:
    """Two disjoint sets of rows that share no unit.

    Attributes
    ----------
    train, held_out : ndarray of int64
        Row numbers, ascending; together all rows.
    unit : str
        What was kept whole: ``"patient"``, ``"group"`` or ``"near-duplicates"``.
    """

    train: Rows
    held_out: Rows
    unit: str


def holdout(table: ImageTable, fraction: float = 0.1, seed: int = 0, *, workers: int | None = None) -> Split:
    """Hold out about a fraction of the images, whole units at a time.

    The unit is the patient where the table knows one (a row without counts by its group), else the group,
    else groups of near-duplicates, which takes decoding every image once. Units are shuffled by a hash of
    seed and unit name, so the same images are held out in whatever order the rows come.

    Parameters
    ----------
    table : ImageTable
        Readable images.
    fraction : float
        Share of the images to hold out, 0 ≤ fraction < 1; 0 holds out none.
    seed : int
        Another seed, another selection.
    workers : int, optional
        Threads for the near-duplicate search.

    Returns
    -------
    Split
        With at least one unit on each side where there are two or more.

    Raises
    ------
    CytosaeError
        `fraction` is out of range.
    """
    if not 0 <= fraction < 1:
        raise CytosaeError(f"The held-out fraction is {fraction}.", "Give at least 0 and less than 1.")
    units, unit = split_units(table, workers=workers)
    held = _held_units(units, fraction, seed)
    is_held = np.isin(units, held)
    return Split(np.flatnonzero(~is_held), np.flatnonzero(is_held), unit)


def split_units(table: ImageTable, *, workers: int | None = None) -> tuple[npt.NDArray[np.str_], str]:
    """Return the unit of every row, and what kind of unit it is.

    Returns
    -------
    units : ndarray of str, shape [n_images]
        Rows of one unit must stay together.
    kind : str
        ``"patient"``, ``"group"`` or ``"near-duplicates"``.
    """
    if table.has("patient"):
        return _patients(table), "patient"
    if table.has("group"):
        return table.groups(), "group"
    from cytosae_toolkit.images.duplicates import near_duplicate_groups

    return near_duplicate_groups(table, workers=workers), "near-duplicates"


def _patients(table: ImageTable) -> npt.NDArray[np.str_]:
    patients = table.frame["patient"]
    units = [
        f"group {group}" if patient is None else f"patient {patient}"
        for patient, group in zip(patients, table.groups(), strict=True)
    ]
    return np.array(units, dtype=np.str_)


def _held_units(units: npt.NDArray[np.str_], fraction: float, seed: int) -> list[str]:
    """Go through the shuffled units and take each that brings the number of images nearer to its target."""
    names, sizes = np.unique(units, return_counts=True)
    if fraction == 0 or len(names) < 2:
        return []
    shuffled = sorted(zip(names.tolist(), sizes.tolist(), strict=True), key=lambda item: _rank(item[0], seed))
    target = fraction * len(units)
    held: list[str] = []
    n_held = 0
    for name, size in shuffled:
        nearer = abs(n_held + size - target) < abs(n_held - target)
        if nearer and len(held) < len(names) - 1:
            held.append(name)
            n_held += size
    return held or [min(shuffled, key=lambda item: item[1])[0]]


def _rank(unit: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{unit}".encode(), digest_size=16).digest()
