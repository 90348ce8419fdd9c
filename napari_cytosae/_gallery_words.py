"""What the gallery says of the cells that it shows, or why there are none. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_cytosae._cells import Cell, Kind, Scope
from napari_cytosae._facts import number, typed

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

WORDS: dict[Kind, tuple[str, str]] = {
    "top": ("Top", "The cells that show it most strongly, strongest first; one of each photograph."),
    "typical": (
        "Typical",
        "Cells from all quarters of strength, strongest first: what most cells that show it are like.",
    ),
    "weak": ("Weak", "Cells that only just show it: from the weakest quarter of those that show it at all."),
    "not": ("Not", "Near misses: cells of the type that usually shows it, which do not show it."),
}
"""Of a kind of cells: its word, and what it shows."""


def what_is_shown(kind: Kind, scope: Scope, cells: Sequence[Cell] = (), usual: str = "") -> str:
    """Return one line on what a kind of cells is, or on what stands in for it.

    Parameters
    ----------
    kind : str
        Which cells were asked for.
    scope : Scope
        Where.
    cells : sequence of Cell
        Which were found, once they are.
    usual : str
        Cell type in which the concept mostly is, "" where unknown.
    """
    if kind == "not" and any(cell.value for cell in cells):
        return f"Every cell of {place(scope)} shows it at least weakly. These show it least, the weakest first."
    if kind == "not" and cells and usual and all(cell.label != usual for cell in cells):
        return f"No {typed(usual)} of {place(scope)} is without it. These cells of other types do not show it."
    return WORDS[kind][1]


def nothing_open(atlas: Atlas | None) -> str:
    """Return why no cells are shown while there is no concept to show them of."""
    if atlas is None:
        return "Open an atlas to see cells that show a concept."
    if not atlas.has_images:
        return "This atlas holds published statistics and no images."
    return "Choose a concept to see cells that show it."


def none_found(kind: Kind, scope: Scope) -> str:
    """Return why there are no cells of a kind."""
    if kind == "not":
        return f"{place(scope).capitalize()} holds no cells."
    return f"In {place(scope)} no cell shows it."


def place(scope: Scope) -> str:
    """Return where cells are looked for."""
    return {"everywhere": "the atlas", "set": f"the image set {scope.name}", "patient": f"patient {scope.name}"}[
        scope.kind
    ]


def about_cells(n: int, full: float | None) -> str:
    """Return how to read a grid of cells.

    Parameters
    ----------
    n : int
        How many cells are shown.
    full : float, optional
        Strength of a patch in full colour; None where patches are not coloured.
    """
    said = f"{n} cell{'' if n == 1 else 's'}; numbers: strength averaged over the picture."
    return said if full is None else f"{said} Orange: where it is; full colour at strength {number(full)} of a patch."
