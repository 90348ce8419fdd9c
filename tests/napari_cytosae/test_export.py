from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_cytosae._export import ExportPanel, with_suffix
from napari_cytosae._export_shot import Shot
from napari_cytosae._pixels import picture_of


@pytest.fixture
def panel(viewer, session, cell_scene, picture, qtbot):
    viewer.add_image(picture, name="my cell", rgb=True, scale=(0.25, 0.25), translate=(3, 4), units="um")
    session.set_scene(cell_scene)
    session.choose(90)
    panel = ExportPanel(viewer, session)
    panel.show_on(picture_of(viewer.layers[0], viewer.dims))
    qtbot.addWidget(panel)
    panel.show()
    return panel


def saved(panel, path, qtbot):
    qtbot.waitUntil(lambda: panel.message.text() == f"Saved {path}.", timeout=20000)


def test_heat_map_of_the_picture_with_the_layers_scale(panel, session, cell_scene, tmp_path, qtbot):
    panel.save_heat(tmp_path / "h.tif")
    saved(panel, tmp_path / "h.tif", qtbot)
    heat = cell_scene.heat(90)
    with tifffile.TiffFile(tmp_path / "h.tif") as file:
        assert np.array_equal(file.asarray(), heat.values)
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert np.isclose(pixels["PhysicalSizeY"], 0.25 * heat.cell[0]) and pixels["PhysicalSizeYUnit"] == "µm"


def test_both_concepts_of_a_turned_picture(panel, session, cell_scene, tmp_path, qtbot):
    session.choose(80, 1)
    panel._viewer.layers[0].rotate = 30
    panel.save_heat(tmp_path / "h.tif")
    qtbot.waitUntil(lambda: panel.message.text().startswith("Saved"), timeout=20000)
    assert "direction stands in the metadata" in panel.message.text()
    assert np.array_equal(tifffile.imread(tmp_path / "h.tif"), [cell_scene.heat(s).values for s in (90, 80)])


def test_it_says_what_would_be_saved(panel, session):
    session.annotate([90], name="granules")
    session.choose(80, 1)
    panel.hide()
    panel.show()
    assert panel.about.text() == "Concept: granules (90) and candidate concept 80. Picture: my cell."
    session.choose(None)
    session.set_scene(None)
    assert panel.about.text() == "Concept: candidate concept 80. Picture: none was read."


def test_table_montage_and_zarr(panel, tmp_path, qtbot):
    for action, name in ((panel.save_table, "t.csv"), (panel.save_montage, "m.png"), (panel.save_heat, "h.zarr")):
        action(tmp_path / name)
        saved(panel, tmp_path / name, qtbot)
    assert len(pd.read_csv(tmp_path / "t.csv")) > 0


def test_view_with_caption(panel, monkeypatch, tmp_path, qtbot):
    view = np.full((300, 500, 4), 200, dtype=np.uint8)
    monkeypatch.setattr(
        "napari_cytosae._export.photograph", lambda *asked: Shot(view) if asked[1:3] == (panel._picture, None) else None
    )
    panel.save_view(tmp_path / "v.png")
    saved(panel, tmp_path / "v.png", qtbot)
    image = QImage(str(tmp_path / "v.png"))
    assert image.width() == 500 and image.height() > 300
    assert panel._caption() == ["my cell · read as one cell", "concept 90 · a.atlas.zarr"]


def test_a_view_with_fewer_pixels_than_asked_for_says_so(panel, monkeypatch, tmp_path, qtbot):
    asked = []

    def photograph(viewer, picture, enlarged, ratio):
        asked.append(enlarged)
        return Shot(np.full((30, 50, 4), 200, dtype=np.uint8), 0.5)

    monkeypatch.setattr("napari_cytosae._export.photograph", photograph)
    panel.resolution.setCurrentIndex(3)
    panel.save_view(tmp_path / "v.png")
    qtbot.waitUntil(lambda: "It has 50% of the pixels a side that were asked for" in panel.message.text())
    assert asked == [4.0]


@pytest.mark.parametrize("agrees", [True, False])
def test_nothing_is_replaced_without_asking(panel, tmp_path, monkeypatch, agrees, qtbot):
    (tmp_path / "t.csv").write_text("mine")
    answer = QMessageBox.StandardButton.Yes if agrees else QMessageBox.StandardButton.No
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or answer)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "t"), "CSV (*.csv)"))
    panel.save_table()
    assert len(asked) == 1 and "t.csv" in asked[0]
    if agrees:
        saved(panel, tmp_path / "t.csv", qtbot)
    assert ((tmp_path / "t.csv").read_text() == "mine") is not agrees


def test_a_folder_that_is_not_there_is_one_sentence(panel, tmp_path, qtbot):
    panel.save_table(tmp_path / "no" / "t.csv")
    qtbot.waitUntil(lambda: "Writing" not in panel.message.text())
    assert "Saved" not in panel.message.text()


def test_suffixes():
    assert with_suffix(Path("a.tiff"), [".tif", ".zarr"]) == Path("a.tiff")
    assert with_suffix(Path("a.b"), [".tif", ".zarr"], "ZARR (*.zarr)") == Path("a.b.zarr")
    assert with_suffix(Path("a"), [".png"]) == Path("a.png")


def test_only_what_can_be_saved_is_offered(panel, session):
    assert all(button.isEnabled() for button in panel.buttons.values())
    session.choose(None)
    assert not panel.buttons["heat"].isEnabled() and not panel.buttons["montage"].isEnabled()
    session.set_source(None, None)
    assert not panel.buttons["table"].isEnabled()


@pytest.mark.gui
def test_a_real_view(make_napari_viewer, session, cell_scene, picture, tmp_path, qtbot):
    viewer = make_napari_viewer(show=True)
    viewer.add_image(picture, rgb=True)
    session.set_scene(cell_scene)
    session.choose(90)
    panel = ExportPanel(viewer, session)
    qtbot.addWidget(panel)
    panel.resolution.setCurrentIndex(1)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (44.5, 64.5), 2
    panel.save_view(tmp_path / "v.png")
    saved(panel, tmp_path / "v.png", qtbot)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "v.png"))[:90, :130, :3], picture), (
        "its own pixels, from its corner on"
    )


def test_a_folder_that_does_not_exist_is_one_sentence(panel, cell_scene, tmp_path):
    panel.save_heat(tmp_path / "absent" / "h.tif")
    assert panel.message.text() == f"There is no folder {tmp_path / 'absent'}. Choose one that exists."


def test_a_view_that_cuts_the_picture_says_so(panel, monkeypatch, tmp_path, qtbot):
    shot = Shot(np.zeros((300, 500, 4), dtype=np.uint8), cut=True)
    monkeypatch.setattr("napari_cytosae._export.photograph", lambda *_: shot)
    panel.save_view(tmp_path / "v.png")
    qtbot.waitUntil(lambda: panel.message.text().startswith("Saved"), timeout=20000)
    assert "the part of the picture that the view shows" in panel.message.text()
