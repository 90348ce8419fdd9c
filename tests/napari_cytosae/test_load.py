from __future__ import annotations

import time

import numpy as np
import pytest
from napari.components import ViewerModel

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.scene import Scene
from cytosae_toolkit.images.red_cell_size import RedCellSize
from napari_cytosae import _load
from napari_cytosae._load import LoadPanel, result_of
from napari_cytosae._load_form import boxes_of
from napari_cytosae._pixels import picture_of
from napari_cytosae._scale import FROM_LINE


@pytest.fixture
def panel(qtbot, viewer, session, micrometres):
    panel = LoadPanel(viewer, session)
    qtbot.addWidget(panel)
    panel.show()
    return panel


def idle(qtbot, panel):
    qtbot.waitUntil(lambda: not panel.jobs.busy, timeout=20_000)


def analyse(qtbot, panel, kind):
    panel.form.read_as(kind)
    panel.analyse()
    idle(qtbot, panel)


def test_one_cell_is_read_and_given_to_the_session(qtbot, panel, session, picture):
    pictures, scenes = [], []
    panel.picture_read.connect(lambda found: pictures.append((found, session.scene)))
    session.scene_changed.connect(lambda: scenes.append(session.scene))
    analyse(qtbot, panel, "cell")
    assert session.scene.kind == "cell"
    assert session.scene.shape == picture.shape[:2]
    assert pictures == [(panel.picture, None)]
    assert panel.picture.layer is panel.layer
    assert scenes == [session.scene]
    assert "1 cell read in 130 x 90 pixels." in panel.result.text()


def test_windows_are_marked_approximate(qtbot, panel, session):
    analyse(qtbot, panel, "windows")
    assert session.scene.approximate
    assert "Approximate" in panel.result.text()


def test_boxes_of_a_shapes_layer_are_read_wherever_the_layers_lie(qtbot, panel, session, viewer):
    shapes = viewer.add_shapes(
        [np.array([[0.5, 1.5], [0.5, 10.5], [8.5, 10.5], [8.5, 1.5]])],
        scale=(1, 1),
        translate=(0.4, 0.8),
        units=("um", "um"),
    )
    image = viewer.layers["smear"]
    expected = [(12, 5, 57, 45)]  # ((1.5 + 0.8) / 0.2 + 0.5, (0.5 + 0.4) / 0.2 + 0.5, …)
    assert boxes_of(picture_of(image), shapes) == expected
    viewer.layers.selection.active = image
    analyse(qtbot, panel, "boxes")
    assert [part.box for part in session.scene.parts] == expected
    assert "1 box read" in panel.result.text()


def test_without_boxes_it_says_what_to_do(qtbot, panel, session):
    analyse(qtbot, panel, "boxes")
    assert session.scene is None
    assert panel.result.text() == "There is no Shapes layer with boxes. Draw rectangles about cells."
    panel.form.add_boxes()
    panel.analyse()
    idle(qtbot, panel)
    assert panel.result.text().startswith("There is no box in the picture.")


def test_without_an_image_it_says_so(qtbot, session):
    panel = LoadPanel(ViewerModel(), session)
    qtbot.addWidget(panel)
    panel.analyse()
    assert panel.result.text().startswith("There is no image.")


def slow(monkeypatch, then=lambda: None):
    """Make reading take as long as the returned list is empty."""
    go = []

    def read(explorer, picture, options, name, progress):
        from cytosae_toolkit.explore.analysing import MemoryField
        from cytosae_toolkit.explore.analysing import analyse as read_scene

        with progress.task("Reading", 10_000, "parts") as task:
            while not go:
                time.sleep(0.002)
                task.advance()
        return read_scene(explorer, MemoryField(np.zeros((32, 32, 3), np.uint8)), "cell")

    monkeypatch.setattr(_load, "read", read)
    return go


@pytest.mark.parametrize("change", ["removed", "data replaced", "other source"])
def test_a_picture_that_is_gone_leaves_no_scene(qtbot, panel, session, viewer, monkeypatch, picture, change):
    go = slow(monkeypatch)
    panel.analyse()
    if change == "removed":
        viewer.layers.clear()
    elif change == "data replaced":
        viewer.layers["smear"].data = picture.copy()
    else:
        session.set_source(None, None)
    go.append(1)
    idle(qtbot, panel)
    assert session.scene is None
    assert panel.picture is None


@pytest.mark.parametrize("change", ["renamed", "reordered"])
def test_a_picture_that_stays_is_read(qtbot, panel, session, viewer, monkeypatch, picture, change):
    layer = viewer.layers["smear"]
    go = slow(monkeypatch)
    panel.analyse()
    if change == "renamed":
        layer.name = "anything"
    else:
        viewer.add_image(picture[:40], rgb=True)
        viewer.layers.reverse()
    go.append(1)
    idle(qtbot, panel)
    assert session.scene is not None
    assert panel.picture.layer is layer


def test_cancel_leaves_no_scene(qtbot, panel, session, monkeypatch):
    slow(monkeypatch)
    panel.analyse()
    qtbot.wait(20)
    assert not panel.analyse_button.isEnabled()
    panel.jobs.cancel()
    idle(qtbot, panel)
    assert session.scene is None
    assert panel.result.text() == "Stopped."
    assert panel.analyse_button.isEnabled()


def test_removing_the_layer_of_the_scene_forgets_it(qtbot, panel, session, viewer):
    analyse(qtbot, panel, "cell")
    viewer.layers.clear()
    assert session.scene is None
    assert panel.result.text() == ""


def test_the_panel_goes_while_it_reads(qtbot, viewer, session, picture, monkeypatch):
    viewer.add_image(picture, rgb=True)
    panel = LoadPanel(viewer, session)
    panel.show()
    go = slow(monkeypatch)
    panel.analyse()
    job = panel.jobs._job
    panel.hide()
    panel.deleteLater()
    qtbot.wait(20)
    del panel
    go.append(1)
    qtbot.waitUntil(lambda: not job.running, timeout=5000)
    assert session.scene is None


def test_missing_weights_are_asked_for(qtbot, panel, session, monkeypatch):
    from cytosae_toolkit.interfaces.specs import WeightsFile
    from napari_cytosae._sources import MissingWeights

    fetched, missing = (
        [],
        [MissingWeights("dino", WeightsFile(name="w.pth", url="https://a.org/w"), 346_000_000, False, "MIT")],
    )
    monkeypatch.setattr("napari_cytosae._sources.missing_weights", lambda explorer: missing[0])
    monkeypatch.setattr(
        "napari_cytosae._sources.fetch", lambda *arguments: (fetched.append(1), missing.__setitem__(0, None))
    )
    analyse(qtbot, panel, "cell")
    assert session.scene is None
    text = panel.question.text.text()
    assert "about 346 MB from a.org" in text and "dino" in text and "MIT" in text
    panel.question.yes.click()
    qtbot.waitUntil(lambda: session.scene is not None, timeout=20_000)
    assert fetched == [1]


def test_the_badge_counts_what_is_unlike(scene, monkeypatch):
    for i, part in enumerate(scene.parts):
        object.__setattr__(part.image, "unlike", i < 3)
    text, badge = result_of(scene)
    assert text.startswith("4 boxes read")
    assert badge.startswith("⚠ 3 of 4 unlike")
    for part in scene.parts:
        object.__setattr__(part.image, "unlike", None)
    assert result_of(scene)[1] == ""


def test_a_picture_of_no_use_is_a_sentence(qtbot, panel, viewer):
    viewer.add_image(np.zeros((2, 2, 3), np.uint8), name="dot", rgb=True)
    panel.analyse()
    assert panel.result.text() == "The image “dot” has only 2 x 2 pixels."


def test_a_failure_is_a_sentence_in_the_panel(qtbot, panel, monkeypatch):
    def read(*arguments):
        raise CytosaeError("No white cell was found.")

    monkeypatch.setattr(_load, "read", read)
    panel.analyse()
    idle(qtbot, panel)
    assert panel.result.text() == "No white cell was found."


def test_a_picture_is_opened_from_the_panel(panel, viewer, tmp_path):
    from npe2 import PluginManager
    from skimage.io import imsave

    PluginManager.instance().discover()  # napari's own readers, as a window finds them
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    panel.analyse()
    assert panel.result.text().startswith("There is no image.")
    imsave(tmp_path / "cell.png", np.full((40, 50, 3), 200, dtype=np.uint8), check_contrast=False)
    panel.open_picture(str(tmp_path / "cell.png"))
    assert panel.layer is viewer.layers["cell"] and panel.result.text() == ""
    (tmp_path / "text.txt").write_text("no picture")
    panel.open_picture(str(tmp_path / "text.txt"))
    assert panel.result.text().startswith("text.txt is not a picture that can be read here.")


def test_a_line_that_is_not_drawn_is_asked_for(qtbot, panel, session):
    panel.form.read_as("cells")
    panel.form.scale.way.setCurrentIndex(FROM_LINE)
    panel.analyse()
    assert not panel.jobs.busy and session.scene is None
    assert panel.result.text() == "Draw a line across a red cell first, or choose another scale."


@pytest.mark.parametrize(("certainty", "said"), [(2.0, " (estimated)"), (float("inf"), "")])
def test_the_size_of_red_cells_is_told(scene, certainty, said):
    sized = Scene(scene.explorer, "cells", scene.shape, scene.parts, RedCellSize(40.6, certainty))
    text = f"4 white cells found in 130 x 90 pixels; red cells taken to be 41 pixels wide{said}."
    assert result_of(sized)[0] == text
    assert "red cells" not in result_of(scene)[0]


def test_a_field_that_was_read_as_one_cell_is_offered_to_be_read_as_a_field(qtbot, panel, session, monkeypatch):
    analyse(qtbot, panel, "cell")
    assert session.scene.shape == (90, 130) and panel.question.isVisible()
    assert "let its white cells be found" in panel.question.text.text()
    asked = []
    monkeypatch.setattr(_load, "read", lambda explorer, picture, options, *_: asked.append(options) or session.scene)
    panel.question.yes.click()
    idle(qtbot, panel)
    assert asked[0]["kind"] == "cells"
    analyse(qtbot, panel, "cell")
    panel.question.no.click()
    assert panel.question.isHidden() and session.scene.kind == "cell"


def test_a_cell_that_was_read_as_one_is_not_asked_about(qtbot, panel, session, viewer, picture):
    panel.choose_layer(viewer.add_image(picture[:40, :40], name="cell"))
    analyse(qtbot, panel, "cell")
    assert session.scene.shape == (40, 40) and panel.question.isHidden()
