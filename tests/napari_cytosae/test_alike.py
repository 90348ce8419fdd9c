import numpy as np
import pytest

from napari_cytosae._alike import AlikeRow, drawn_region
from napari_cytosae._pictures import AtlasPictures
from napari_cytosae._pixels import picture_of
from napari_cytosae._thumbnails import Thumbnails


@pytest.fixture
def row(session, atlas, qtbot):
    thumbnails = Thumbnails()
    thumbnails.set_pictures(AtlasPictures(atlas, session.explorer))
    row = AlikeRow(session, thumbnails)
    qtbot.addWidget(row)
    return row


def test_cells_like_a_region(row, cell_scene, qtbot):
    image = cell_scene.parts[0].image
    region = np.zeros(image.grid, dtype=bool)
    region[1, 1] = True
    row.look(image, region, "the clicked patch")
    assert not row.isHidden() and "Looking" in row.title.text()
    qtbot.waitUntil(lambda: bool(row.grid.cells.cells))
    assert "like the clicked patch, most alike first" in row.title.text()
    row.forget()
    assert row.isHidden() and not row.grid.cells.cells


def test_nothing_drawn_is_no_region(viewer, cell_scene, picture):
    layer = viewer.add_image(picture, rgb=True)
    assert drawn_region(viewer, None, cell_scene) is None
    assert drawn_region(viewer, picture_of(layer, viewer.dims), cell_scene) is None
