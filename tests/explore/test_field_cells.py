from __future__ import annotations

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.field_cells import FieldCells, part_of_crop
from cytosae_toolkit.images.cells import FoundCell
from cytosae_toolkit.images.red_cell_size import RedCellSize


def cell(x: int, y: int) -> FoundCell:
    return FoundCell(x, y, x + 20, y + 20, 100, 200, 2.0, False, 24.0)


def cells(*corners: tuple[int, int]) -> FieldCells:
    found = tuple(cell(x, y) for x, y in corners)
    boxes = tuple((x - 10, y - 10, x + 30, y + 30) for x, y in corners)
    return FieldCells(found, (), boxes, RedCellSize(24.0, float("inf")))


TWO = cells((50, 50), (70, 55))


def test_a_cell_is_chosen_by_number_or_by_what_lies_in_it():
    assert TWO.chosen(2, None) == 2
    assert TWO.box(2) == (60, 45, 100, 85)
    assert TWO.chosen(None, (52, 52, 60, 60)) == 1
    assert TWO.chosen(None, (72, 60, 76, 66)) == 2  # in both crops, nearer to the middle of the second
    assert TWO.chosen(2, (52, 52, 60, 60)) == 2
    assert cells((50, 50)).chosen(None, None) == 1


@pytest.mark.parametrize(
    ("number", "region", "message"),
    [
        (None, None, "2 cells were found"),
        (3, None, "no cell 3 in the field: 2 cells were found.* Choose one with --cell, 1 to 2"),
        (None, (0, 0, 9, 9), "lies in no cell.*1 in 40,40,80,80, 2 in 60,45,100,85"),
    ],
)
def test_a_cell_that_is_not_clear_is_refused(number, region, message):
    with pytest.raises(CytosaeError, match=message):
        TWO.chosen(number, region)


def test_the_part_of_a_region_in_a_crop():
    assert part_of_crop((45, 50, 70, 200), (40, 40, 80, 80)) == (5, 10, 30, 40)
    with pytest.raises(CytosaeError, match="outside the cell"):
        part_of_crop((0, 0, 9, 9), (40, 40, 80, 80))
