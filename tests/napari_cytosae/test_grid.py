import pytest
from qtpy.QtCore import Qt

from napari_cytosae._cells import Cell
from napari_cytosae._grid import CellGrid
from napari_cytosae._thumbnails import Thumbnails
from tests.napari_cytosae.test_thumbnails import Drawn


@pytest.fixture
def grid(qtbot):
    thumbnails = Thumbnails()
    thumbnails.drawn = Drawn()
    thumbnails.set_pictures(thumbnails.drawn)
    grid = CellGrid(thumbnails)
    grid.thumbnails = thumbnails
    qtbot.addWidget(grid)
    grid.resize(420, 260)
    grid.show_cells([Cell(i, f"cell {i}", "blast", value=0.1 * i) for i in range(60)], None)
    grid.show()
    return grid


def test_only_what_is_in_view_is_loaded(grid, qtbot):
    qtbot.waitUntil(lambda: 0 in grid.thumbnails.drawn.asked)
    qtbot.wait(100)
    assert max(grid.thumbnails.drawn.asked) < 30
    grid.scrollToBottom()
    qtbot.waitUntil(lambda: 59 in grid.thumbnails.drawn.asked)


def test_arrow_keys_walk_and_enter_opens(grid, qtbot):
    grid.setCurrentIndex(grid.cells.index(0))
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    assert grid.chosen.row == 1
    qtbot.keyClick(grid, Qt.Key.Key_Down)
    assert grid.chosen.row > 2
    with qtbot.waitSignal(grid.opened) as opened:
        qtbot.keyClick(grid, Qt.Key.Key_Return)
    assert opened.args[0] is grid.chosen


def test_double_click_opens(grid, qtbot):
    place = grid.visualRect(grid.cells.index(2)).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    with qtbot.waitSignal(grid.opened) as opened:
        qtbot.mouseDClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert opened.args[0].row == 2


def test_four_fit_beside_each_other_in_a_dock_and_more_when_it_is_wider(grid):
    def columns():
        top = grid.visualRect(grid.cells.index(0)).top()
        return sum(grid.visualRect(grid.cells.index(i)).top() == top for i in range(30))

    assert columns() == 4
    grid.resize(820, 260)
    grid.doItemsLayout()
    assert columns() == 8


def test_the_chosen_cell_stays_chosen(grid):
    grid.setCurrentIndex(grid.cells.index(5))
    grid.show_cells([Cell(7, "a"), Cell(5, "b")], None)
    assert grid.chosen.id == "b"


def test_captions_and_tooltips(grid):
    index = grid.cells.index(1)
    assert index.data() == "blast\n0.1"
    assert "image cell 1" in index.data(Qt.ItemDataRole.ToolTipRole)
