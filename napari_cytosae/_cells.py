"""Which cells of an atlas a grid shows: the best, typical, weak and silent ones of a latent, everywhere or in part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._facts import number, typed

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas, Reference

Kind = Literal["top", "typical", "weak", "not"]
KINDS: tuple[Kind, ...] = ("top", "typical", "weak", "not")
N_SHOWN = 32
"""Cells in a grid, where an atlas could show more."""


@dataclass(frozen=True)
class Cell:
    """A cell as a grid shows it.

    Parameters
    ----------
    row : int
        Of `Atlas.images`, or of whatever holds the pictures.
    id : str
        Of the image.
    label, patient, set : str
        "" where unknown.
    value : float or None
        Mean activation over the image's tokens; None where it is not about one latent.
    note : str
        One more line for the tooltip.
    similarity : float or None
        0 to 1, of a cell that was found by likeness.
    """

    row: int
    id: str
    label: str = ""
    patient: str = ""
    set: str = ""
    value: float | None = None
    note: str = ""
    similarity: float | None = None

    @property
    def caption(self) -> tuple[str, str]:
        """Label and value, as they stand below the picture."""
        return typed(self.label or self.id), self._number

    @property
    def _number(self) -> str:
        if self.similarity is not None:
            return f"{100 * self.similarity:.0f} % alike"
        if self.value is None:
            return ""
        return number(self.value) if self.value > 0 else "absent"

    @property
    def tooltip(self) -> str:
        """Everything that is known, a line each."""
        strength = "" if self.value is None else f"pattern strength {self.value:.4g} (mean activation over the image)"
        lines = (
            f"image {self.id}",
            f"cell type {typed(self.label)}" if self.label else "cell type unknown",
            f"patient {self.patient}" if self.patient else "",
            f"image set {self.set}" if self.set else "",
            strength,
            self.note,
        )
        return "\n".join(line for line in lines if line)


@dataclass(frozen=True)
class Scope:
    """Where cells are looked for.

    Parameters
    ----------
    kind : str
        ``"everywhere"``, ``"set"`` or ``"patient"``.
    name : str
        Of the image set or the patient.
    """

    kind: Literal["everywhere", "set", "patient"] = "everywhere"
    name: str = ""


EVERYWHERE = Scope()


def find_cells(atlas: Atlas, latent: int, kind: Kind, scope: Scope = EVERYWHERE, n: int = N_SHOWN) -> list[Cell]:
    """Return cells of a latent, one per group.

    Parameters
    ----------
    atlas : Atlas
        With images.
    latent : int
        Which.
    kind : str
        ``"top"``: strongest first. ``"typical"``: from all quarters of activation, strongest first. ``"weak"``: of
        the weakest quarter, weakest first. ``"not"``: silent, of its dominant cell type where there are such; where
        none is silent, those on which it is least active, weakest first.
    scope : Scope
        Where. The atlas keeps its choice for everywhere, and the best of each set; for the rest all images are asked.
    n : int
        How many at most.
    """
    if not atlas.has_images:
        return []
    kept_of_set = scope.kind == "set" and kind == "top"
    if scope.kind == "everywhere" or kept_of_set:
        kept = [_of_reference(found) for found in _kept(atlas, latent, kind, scope)[:n]]
        if kept or kind != "not":
            return kept
    inside = _inside(atlas.images, scope)
    return _not_among(atlas, latent, inside, n) if kind == "not" else _among(atlas, latent, kind, inside, n)


def _kept(atlas: Atlas, latent: int, kind: Kind, scope: Scope) -> list[Reference]:
    if kind == "top":
        return atlas.references(latent, set=scope.name or None)
    if kind == "not":
        return atlas.references(latent, kind="miss")
    found = atlas.references(latent, kind="typical")
    if kind == "weak":
        found = [reference for reference in found if reference.quartile == 0]
    return sorted(found, key=lambda reference: reference.value, reverse=kind == "typical")


def _of_reference(found: Reference) -> Cell:
    quarters = ("weakest", "second", "third", "strongest")
    note = "" if found.quartile is None else f"{quarters[found.quartile]} quarter of the cells that show it"
    return Cell(found.row, found.id, found.label or "", found.patient or "", found.set, found.value, note)


def _inside(images: pd.DataFrame, scope: Scope) -> NDArray[np.bool_]:
    if scope.kind == "everywhere":
        return np.ones(len(images), dtype=bool)
    column = texts(images, scope.kind)
    return np.asarray(column == scope.name)


def _among(atlas: Atlas, latent: int, kind: Kind, inside: NDArray[np.bool_], n: int) -> list[Cell]:
    rows, values = atlas.column(latent)
    keep = inside[rows]
    rows, values = rows[keep], values[keep].astype(float)
    order = np.argsort(-values, kind="stable")
    rows, values = rows[order], values[order]
    first = _one_per_group(atlas.images, rows)
    rows, values = rows[first], values[first]
    if kind == "top":
        chosen = np.arange(min(n, len(rows)))
    elif kind == "weak":
        chosen = np.arange(len(rows))[::-1][: min(n, -(-len(rows) // 4))]
    else:
        chosen = _evenly(len(rows), n)
    return describe_cells(atlas.images, rows[chosen], values[chosen])


def _not_among(atlas: Atlas, latent: int, inside: NDArray[np.bool_], n: int) -> list[Cell]:
    active, values = atlas.column(latent)
    silent = inside.copy()
    silent[active] = False
    if not silent.any():
        return _least(atlas, active, values, inside, n)
    usual = str(atlas.statistics["dominant_label"].iloc[latent] or "") if "dominant_label" in atlas.statistics else ""
    of_label = silent & (texts(atlas.images, "label") == usual) if usual else silent
    rows = np.flatnonzero(of_label if of_label.any() else silent)
    rows = rows[_one_per_group(atlas.images, rows)]
    rows = rows[_evenly(len(rows), n)]
    return describe_cells(atlas.images, rows, np.zeros(len(rows)))


def _least(
    atlas: Atlas, rows: NDArray[np.int64], values: NDArray[np.floating], inside: NDArray[np.bool_], n: int
) -> list[Cell]:
    rows, values = rows[inside[rows]], values[inside[rows]].astype(float)
    order = np.argsort(values, kind="stable")
    rows, values = rows[order], values[order]
    first = _one_per_group(atlas.images, rows)[:n]
    return describe_cells(atlas.images, rows[first], values[first])


def describe_cells(images: pd.DataFrame, rows: NDArray[np.int64], values: Sequence[float] | NDArray[Any]) -> list[Cell]:
    """Return rows of an atlas's images as cells of a grid.

    Parameters
    ----------
    images : DataFrame
        As `Atlas.images`.
    rows : int64 array [n]
        Which.
    values : sequence of float [n]
        Activation of each.
    """
    known = [texts(images, name)[rows].tolist() for name in ("id", "label", "patient", "set")]
    numbers = np.asarray(values, dtype=np.float64).tolist()
    return [
        Cell(int(row), id_, label, patient, set_, value)
        for row, value, id_, label, patient, set_ in zip(rows.tolist(), numbers, *known, strict=True)
    ]


def patient_cells(atlas: Atlas, latent: int | None, patient: str) -> list[Cell]:
    """Return all cells of a patient: those that show a latent first, strongest first, then the others as they come."""
    rows = np.flatnonzero(texts(atlas.images, "patient") == patient)
    values = np.zeros(len(rows))
    if latent is not None:
        active, means = atlas.column(latent)
        at = np.searchsorted(active, rows)
        known = at < len(active)
        known[known] = active[at[known]] == rows[known]
        values[known] = means[at[known]]
    order = np.argsort(-values, kind="stable")
    return describe_cells(atlas.images, rows[order], values[order])


def similar_cells(table: pd.DataFrame) -> list[Cell]:
    """Return what `Explorer.similar_images` found as cells of a grid."""
    known = [texts(table, name).tolist() for name in ("id", "label", "patient", "set", "shared")]
    return [
        Cell(int(row), id_, label, patient, set_, note=f"shares concepts {shared}", similarity=float(alike))
        for row, alike, id_, label, patient, set_, shared in zip(table.index, table["similarity"], *known, strict=True)
    ]


def patient_names(atlas: Atlas) -> list[str]:
    """Return the patients whom images of an atlas name, in alphabetical order."""
    if not atlas.has_images:
        return []
    return sorted(name for name in set(texts(atlas.images, "patient").tolist()) if name)


def texts(table: pd.DataFrame, name: str) -> NDArray[np.object_]:
    """Return a column as str, "" where it is missing or not there at all."""
    if name not in table.columns:
        return np.full(len(table), "", dtype=object)
    column = table[name].astype(object)
    values: NDArray[np.object_] = column.where(column.notna(), "").to_numpy(dtype=object)
    return np.array([str(value) for value in values], dtype=object)


def _one_per_group(images: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(texts(images, "group")[rows].astype(str), return_index=True)
    return np.sort(first)


def _evenly(n: int, limit: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, limit)).round().astype(np.int64)) if n else np.zeros(0, np.int64)
