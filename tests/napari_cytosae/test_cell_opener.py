import numpy as np
import pytest

from napari_cytosae._cell_opener import CellOpener
from napari_cytosae._cells import describe_cells
from napari_cytosae._originals import Original


@pytest.fixture
def cells(atlas):
    return describe_cells(atlas.images, np.array([1, 2]), [0.5, 0.4])


def test_a_cell_becomes_a_layer_that_reads_as_the_atlas_says(viewer, session, explorer, atlas, cells, qtbot):
    opener, analysed = CellOpener(viewer, session), []
    opener.analyse = analysed.append
    opener.open(cells[0])
    qtbot.waitUntil(lambda: bool(analysed))
    (layer,) = viewer.layers
    assert np.array_equal(layer.data, atlas.picture(1))
    assert cells[0].id in layer.name and layer.metadata["source"].startswith("the picture")
    latent = int(atlas.statistics["n_images"].argmax())
    row = atlas.references(latent)[0].row
    opener.open(describe_cells(atlas.images, np.array([row]), [1.0])[0])
    qtbot.waitUntil(lambda: len(analysed) == 2)
    assert np.array_equal(explorer.read(analysed[1].data).heatmap(latent), atlas.heatmap(latent, row))


def test_an_open_cell_is_not_opened_twice(viewer, session, cells, qtbot):
    opener, analysed = CellOpener(viewer, session), []
    opener.analyse = analysed.append
    for cell in (cells[0], cells[1], cells[0]):
        n = len(analysed)
        opener.open(cell)
        qtbot.waitUntil(lambda n=n: len(analysed) > n)
    assert len(viewer.layers) == 2
    assert analysed[2] is analysed[0] is viewer.layers.selection.active
    assert [layer.visible for layer in viewer.layers] == [True, False]


def test_only_the_last_of_several_is_opened(viewer, session, cells, qtbot):
    opener = CellOpener(viewer, session)
    opener.analyse = lambda layer: None
    for cell in cells:
        opener.open(cell)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    qtbot.wait(50)
    assert len(viewer.layers) == 1 and cells[1].id in viewer.layers[0].name


def test_a_cell_that_is_nowhere_is_one_sentence(viewer, session, cells, qtbot, monkeypatch):
    said = []
    monkeypatch.setattr("napari_cytosae._cell_opener.show_problem", said.append)
    opener = CellOpener(viewer, session)
    opener.read = lambda cell: None
    opener.open(cells[0])
    qtbot.waitUntil(lambda: bool(said))
    assert cells[0].id in said[0] and not len(viewer.layers)


def test_another_reader(viewer, session, cells, qtbot, tmp_path):
    opener = CellOpener(viewer, session)
    opener.analyse = lambda layer: None
    opener.read = lambda cell: Original(np.zeros((5, 6, 3), np.uint8), tmp_path / "x.png")
    opener.open(cells[0])
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    assert viewer.layers[0].metadata["source"].endswith("x.png")
