"""The cells of a field, numbered as everywhere, and the one that is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import no_step

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.images.cells import FoundCell
    from cytosae_toolkit.images.red_cell_size import RedCellSize
    from cytosae_toolkit.images.windows import Field

Box = tuple[int, int, int, int]

USUAL_CELL_SIZE = 0.25
"""Share of a crop that its cell covers, where the run does not know it."""


@dataclass(frozen=True)
class FieldCells:
    """The cells of a field. Numbers count from 1, from the top down, and are those that ``cells`` gives.

    Parameters
    ----------
    cells : tuple of FoundCell
        Cells that the border does not cut; or all, where it cuts all.
    cut : tuple of FoundCell
        Cells left out because the border cuts them.
    boxes : tuple of (x0, y0, x1, y1)
        The crop of each of `cells`, pixels of the field.
    scale : RedCellSize
        Red cells in pixels.
    """

    cells: tuple[FoundCell, ...]
    cut: tuple[FoundCell, ...]
    boxes: tuple[Box, ...]
    scale: RedCellSize

    def box(self, number: int) -> Box:
        """Return the crop of a cell.

        Raises
        ------
        CytosaeError
            If there is no such cell.
        """
        if not 1 <= number <= len(self.boxes):
            raise CytosaeError(f"There is no cell {number} in the field: {self._found}.", self._hint)
        return self.boxes[number - 1]

    def chosen(self, number: int | None, region: Box | None) -> int:
        """Return the number of the cell that is meant: as given, or that holds a region, or the only one.

        Parameters
        ----------
        number : int, optional
            As given.
        region : (x0, y0, x1, y1), optional
            In pixels of the field; without a number the cell is the nearest whose crop holds its middle.

        Raises
        ------
        CytosaeError
            If there is no such cell, or several may be meant.
        """
        if number is not None:
            self.box(number)
            return number
        if region is not None:
            return self._holding(region)
        if len(self.cells) > 1:
            raise CytosaeError(f"It is asked about one cell, but {self._found} in the field.", self._hint)
        return 1

    def _holding(self, region: Box) -> int:
        x, y = (region[0] + region[2]) / 2, (region[1] + region[3]) / 2
        within = [i for i, (x0, y0, x1, y1) in enumerate(self.boxes) if x0 <= x < x1 and y0 <= y < y1]
        if not within:
            places = ", ".join(f"{i} in {','.join(map(str, box))}" for i, box in enumerate(self.boxes, 1))
            raise CytosaeError("The region lies in no cell that was found.", f"Cells are: {places}.")
        middles = [self.cells[i].centre for i in within]
        distances = [(cx - x) ** 2 + (cy - y) ** 2 for cx, cy in middles]
        return within[distances.index(min(distances))] + 1

    @property
    def _found(self) -> str:
        n = len(self.cells)
        return f"{n} cell{' was' if n == 1 else 's were'} found"

    @property
    def _hint(self) -> str:
        return f"Choose one with --cell, 1 to {len(self.cells)} from the top down; --out without it draws all."


def find_field_cells(
    explorer: Explorer,
    field: Field,
    scale: RedCellSize,
    *,
    keep_border: bool = False,
    on_step: Callable[[], object] = no_step,
) -> FieldCells:
    """Find the cells of a field, with a crop of each in which it fills as much as in the training images.

    Parameters
    ----------
    explorer : Explorer
        Knows how much cells fill.
    field : Field
        Large ones are searched in tiles.
    scale : RedCellSize
        Red cells in pixels.
    keep_border : bool
        Keep cells that the border cuts, too.
    on_step : callable
        Called between two steps of the search; may end it by raising.

    Raises
    ------
    CytosaeError
        If no cell is found.
    """
    from cytosae_toolkit.images.field_cells import crop_boxes, find_cells_of_field, side_like

    found = find_cells_of_field(field, red_cell_diameter=scale.diameter, on_step=on_step)
    if not found:
        raise CytosaeError(
            f"No white cell was found in the field, where red cells were taken to be {scale.diameter:.0f} pixels wide.",
            "Give its scale with --red-cell-diameter, slide a --window, or take it as one cell with --no-cells.",
        )
    whole = found if keep_border else [cell for cell in found if not cell.touches_border] or found
    usual = explorer.image_fit
    share = USUAL_CELL_SIZE if usual is None or usual.cell_size is None else usual.cell_size
    boxes = crop_boxes(whole, field.shape, side=side_like(whole, share, scale.diameter))
    return FieldCells(tuple(whole), tuple(cell for cell in found if cell not in whole), tuple(boxes), scale)


def part_of_crop(region: Box, crop: Box) -> Box:
    """Return the part of a region of the field that lies in a crop, in the crop's pixels.

    Raises
    ------
    CytosaeError
        If they do not overlap.
    """
    x0, y0 = max(region[0], crop[0]), max(region[1], crop[1])
    x1, y1 = min(region[2], crop[2]), min(region[3], crop[3])
    if x0 >= x1 or y0 >= y1:
        raise CytosaeError(
            f"The region lies outside the cell, whose pixels are {','.join(map(str, crop))}.", "Leave --cell out."
        )
    return x0 - crop[0], y0 - crop[1], x1 - crop[0], y1 - crop[1]
