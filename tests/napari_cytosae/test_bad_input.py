"""Whatever lies in the viewer is read, with its heat map where it belongs, or refused in one sentence."""

from __future__ import annotations

import errno
import threading
import time

import dask.array as da
import numpy as np
import pytest

from napari_cytosae._hover import Hover
from napari_cytosae._load import LoadPanel
from napari_cytosae._notes import NotesPanel
from napari_cytosae._overlay import HeatLayers
from napari_cytosae._widget import CytosaeWidget

KINDS = ("cell", "windows", "cells")


@pytest.fixture
def panel(qtbot, viewer, session):
    panel = LoadPanel(viewer, session)
    qtbot.addWidget(panel)
    panel.heat, panel.hover = HeatLayers(viewer, session), Hover(viewer, session)
    for follower in (panel.heat, panel.hover):
        follower.start()
        panel.picture_read.connect(follower.show_on)
    panel.show()
    yield panel
    for follower in (panel.heat, panel.hover):
        follower.stop()


def analyse(qtbot, panel, kind):
    panel.form.read_as(kind)
    panel.analyse()
    qtbot.waitUntil(lambda: not panel.jobs.busy, timeout=30_000)


def layers_of(picture):
    """Return arguments of `add_image` by what they are."""
    grey = picture.mean(axis=2).astype(np.uint8)
    alpha = np.dstack([picture, np.full(grey.shape, 255, np.uint8)])
    return {
        "colour": (picture, {"rgb": True}),
        "greyscale": (grey, {}),
        "16 bits": (grey.astype(np.uint16) * 200, {}),
        "16-bit colour": (picture.astype(np.uint16) * 257, {"rgb": True}),
        "floating point": ((picture / 255).astype(np.float32), {"rgb": True}),
        "grey of floating point": (grey / 255, {}),
        "not a number": (np.where(grey > 90, np.nan, grey.astype(float)), {"contrast_limits": (0, 255)}),
        "constant": (np.full((90, 130), 7.0), {}),
        "true and false": (grey > 120, {}),
        "transparent": (alpha, {"rgb": True}),
        "time series": (np.stack([picture[::-1], picture]), {"rgb": True}),
        "stack": (np.stack([grey, grey, 255 - grey]), {"scale": (5, 1, 1)}),
        "three times": (np.moveaxis(picture, 2, 0), {"axis_labels": ("t", "y", "x")}),
        "multiscale": ([picture, picture[::2, ::2]], {"rgb": True, "multiscale": True}),
        "lazy": (da.from_array(picture, chunks=(40, 40, 3)), {"rgb": True}),
        "lazy multiscale": (
            [da.from_array(picture), da.from_array(picture[::2, ::2])],
            {"rgb": True, "multiscale": True},
        ),
        "turned": (picture, {"rgb": True, "scale": (0.2, 0.3), "translate": (9, -4), "rotate": 30}),
        "8 x 8": (picture[20:28, 25:33], {"rgb": True}),
        "4 x 130": (picture[40:44], {"rgb": True}),
        "3 x 3": (picture[:3, :3], {"rgb": True}),
    }  # fmt: skip


NAMES = tuple(layers_of(np.zeros((90, 130, 3), np.uint8)))
NO_CELLS = ("not a number", "constant", "8 x 8", "4 x 130")
"""Among these no white cell is found, but they can be read as one cell or by windows."""


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_is_read_or_refused_in_one_sentence(qtbot, panel, viewer, session, picture, name):
    data, arguments = layers_of(picture)[name]
    layer = viewer.add_image(data, name=name, **arguments)
    session.choose(93)
    for kind in KINDS:
        session.set_scene(None)
        analyse(qtbot, panel, kind)
        said = panel.result.text()
        assert said.endswith(".") and "unforeseen" not in said
        assert (session.scene is None) == (name == "3 x 3" or (kind == "cells" and name in NO_CELLS))
        if session.scene is not None:
            assert_within(panel.heat.layer(0), layer)


def assert_within(over, layer):
    assert over.ndim == layer.ndim
    (low, high), (own_low, own_high) = layer.extent.world, over.extent.world
    assert (own_low >= low - 1e-6).all() and (own_high <= high + 1e-6).all()


@pytest.mark.parametrize("answer", ["Colours", "A stack"])
def test_planes_that_may_be_colours_are_asked_about(qtbot, panel, viewer, session, picture, answer):
    viewer.add_image(np.moveaxis(picture, 2, 0), name="planes", translate=(0, 3, 4))
    assert panel.result.text().startswith("The image “planes” has 3 planes: the colours of one picture, or a stack")
    analyse(qtbot, panel, "cell")
    assert session.scene is None and not panel.question.isHidden()
    stack = panel.question.more.itemAt(0).widget()
    (panel.question.yes if answer == "Colours" else stack).click()
    qtbot.waitUntil(lambda: session.scene is not None, timeout=20_000)
    expected = picture if answer == "Colours" else np.repeat(picture[..., 1:2], 3, axis=2)
    np.testing.assert_array_equal(panel.picture.field.read_window(0, 0, 130, 90), expected)
    assert (session.scene.kind, session.scene.shape) == ("cells", (90, 130))
    viewer.layers.remove("planes")
    assert (session.scene is None) == (answer == "A stack")


@pytest.mark.parametrize("name", ["colour", "time series", "lazy multiscale", "floating point"])
def test_the_same_picture_gives_the_same_values_however_it_is_stored(qtbot, panel, viewer, session, picture, name):
    data, arguments = layers_of(picture)[name]
    viewer.add_image(data, name=name, **arguments)
    viewer.dims.set_point(0, 1)
    session.choose(93)
    analyse(qtbot, panel, "cell")
    expected = session.explorer.read(picture).heatmap(93)
    assert expected.max() > 0
    np.testing.assert_array_equal(np.squeeze(panel.heat.layer(0).data), expected)


def test_a_huge_lazy_image_is_searched_and_refused_where_it_is_too_large(qtbot, panel, viewer, session, monkeypatch):
    tiles = da.full((100_000, 120_000, 3), 235, dtype=np.uint8, chunks=(4096, 4096, 3))
    viewer.add_image([tiles, tiles[::64, ::64]], rgb=True, multiscale=True, name="slide", contrast_limits=(0, 255))
    assert panel.form.kind.currentData() == "cells"
    for kind, words in (("cell", "too many to be read as one image"), ("windows", "1,024 are the most")):
        analyse(qtbot, panel, kind)
        assert words in panel.result.text()
    shapes = viewer.add_shapes(np.array([[90_000, 110_000], [90_060, 110_000], [90_060, 110_050], [90_000, 110_050]]))
    assert shapes in viewer.layers
    viewer.layers.selection.active = viewer.layers["slide"]
    analyse(qtbot, panel, "boxes")
    assert len(session.scene.parts) == 1


def test_looking_for_cells_in_a_huge_image_is_stopped_between_two_pieces(qtbot, panel, viewer, session):
    read = []

    def block(values, block_info=None):
        read.append(threading.get_ident())
        time.sleep(0.01)
        return values

    tiles = da.full((40_000, 40_000, 3), 235, dtype=np.uint8, chunks=(4096, 4096, 3)).map_blocks(block, dtype=np.uint8)
    viewer.add_image([tiles, da.full((400, 400, 3), 235, dtype=np.uint8)], rgb=True, multiscale=True,
                     contrast_limits=(0, 255))  # fmt: skip
    read.clear()
    panel.form.read_as("cells")
    panel.analyse()
    qtbot.waitUntil(lambda: len(read) >= 1, timeout=20_000)
    panel.jobs.cancel()
    qtbot.waitUntil(lambda: not panel.jobs.busy, timeout=30_000)
    assert panel.result.text() == "Stopped."
    assert len(read) < 50


def test_an_atlas_whose_plugin_is_not_installed_is_opened_without_its_model(qtbot, viewer, picture, atlas, monkeypatch):
    from cytosae_toolkit.plugins import reset_registry

    told = []
    monkeypatch.setattr("napari_cytosae._widget.show_problem", told.append)
    monkeypatch.setenv("CYTOSAE_DISABLE_PLUGINS", "cytosae-timm,cytosae-tensorboard")
    reset_registry()
    viewer.add_image(picture, rgb=True)
    dock = CytosaeWidget(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock.open(atlas.path)
    qtbot.waitUntil(lambda: not dock.start_page.jobs.busy, timeout=30_000)
    reset_registry()
    assert dock.session.explorer is None and dock.session.atlas is not None
    assert len(told) == 1 and "needs the backbone 'timm'" in told[0] and "disabled" in told[0]
    dock.load.analyse()
    assert "needs the backbone 'timm'" in dock.load.result.text()
    dock.session.annotate([5], name="granules")
    assert dock.session.names() == {5: "granules"}


def test_an_atlas_in_a_folder_that_cannot_be_written_is_read_and_refuses_names(qtbot, session, monkeypatch):
    def refuse(path, content):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("cytosae_toolkit.atlas.names_file._append", refuse)
    panel = NotesPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    session.choose(5)
    panel.form.name.setText("granules")
    panel.save()
    said = panel.message.text()
    assert "names.jsonl cannot be written: Read-only file system. Names are kept beside the atlas" in said
    assert session.names() == {}
    assert panel.form.name.text() == "granules"
