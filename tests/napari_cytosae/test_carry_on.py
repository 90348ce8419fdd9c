"""Going on where the viewer was closed."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManager
from skimage.io import imsave

from napari_cytosae._last_picture import last_picture, remember_picture
from napari_cytosae._regions import draw_region, find_region, outlines
from napari_cytosae._widget import CytosaeWidget

CORNERS = np.array([[10.0, 20.0], [10.0, 40.0], [40.0, 40.0]])


@pytest.fixture
def dock(qtbot, picture, tmp_path):
    """Docks in windows of their own, one after the other."""
    PluginManager.instance().discover()
    imsave(tmp_path / "smear.png", picture, check_contrast=False)

    def open_dock():
        dock = CytosaeWidget(ViewerModel())
        qtbot.addWidget(dock)
        dock.show()
        return dock

    return open_dock


def read(qtbot, dock):
    qtbot.waitUntil(lambda: dock.session.scene is not None and not dock.load.jobs.busy, timeout=60_000)


def test_concepts_and_regions_are_there_again(qtbot, dock, atlas, tmp_path):
    first = dock()
    first.viewer.open(str(tmp_path / "smear.png"), plugin="napari")
    first.start_page.open(atlas.path)
    read(qtbot, first)
    first.bring("Ask")
    first.session.choose(90)
    first.session.choose(93, 1)
    draw_region(first.viewer, "A", "polygon", first.load.picture).add_polygons([CORNERS])
    qtbot.waitUntil(lambda: last_picture().latents == (90, 93) and "A" in last_picture().regions)
    first.viewer.layers.clear()  # as closing the window does
    qtbot.wait(500)
    first.hide()

    second = dock()
    second.start_page.carry_on(last_picture())
    read(qtbot, second)
    assert (second.session.latent(0), second.session.latent(1)) == (90, 93)
    drawn = outlines(find_region(second.viewer, "A"), second.load.picture)
    np.testing.assert_allclose(drawn, [CORNERS])
    second.start_page.open(atlas.path)
    qtbot.waitUntil(lambda: not second.start_page.jobs.busy, timeout=60_000)
    read(qtbot, second)
    assert second.session.latent(0) is None, "an atlas that is opened otherwise begins anew"


def test_concepts_that_the_atlas_has_no_more_are_left_out(qtbot, dock, atlas, tmp_path):
    widget = dock()
    layer = widget.viewer.open(str(tmp_path / "smear.png"), plugin="napari")[0]
    remember_picture(layer, atlas.path, "cell", (10_000, 90))
    widget.start_page.carry_on(last_picture())
    read(qtbot, widget)
    assert (widget.session.latent(0), widget.session.latent(1)) == (None, 90)


def test_what_could_not_be_opened_again_is_restored_nowhere_else(qtbot, dock, tmp_path):
    widget = dock()
    layer = widget.viewer.open(str(tmp_path / "smear.png"), plugin="napari")[0]
    (tmp_path / "no.atlas.zarr").mkdir()
    remember_picture(layer, tmp_path / "no.atlas.zarr", "cell", (90, None))
    widget.start_page.carry_on(last_picture())
    assert widget.start_page.memory.wanted is not None
    qtbot.waitUntil(lambda: not widget.start_page.jobs.busy, timeout=60_000)
    assert widget.start_page.memory.wanted is None and widget.start_page.message.text()
