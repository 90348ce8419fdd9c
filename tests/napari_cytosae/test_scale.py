from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._pixels import picture_of
from napari_cytosae._scale import BY_HAND, FROM_LINE, FROM_PICTURE, ScaleChooser, to_pixels


@pytest.fixture
def layer(viewer, picture):
    return viewer.add_image(picture, name="smear", rgb=True, scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"))


@pytest.fixture
def chooser(qtbot, viewer, layer):
    chooser = ScaleChooser(viewer)
    qtbot.addWidget(chooser)
    chooser.set_picture(picture_of(layer))
    return chooser


def test_the_layer_tells_its_scale(chooser):
    assert chooser.arguments() == {"pixel_size": pytest.approx(0.5)}
    assert "0.5 µm per pixel, from the layer" in chooser.text.text()


@pytest.mark.parametrize("scale", [(1, 1), (30, 30)])
def test_a_scale_that_no_microscope_has_is_estimated(qtbot, viewer, picture, scale):
    units = ("pixel", "pixel") if scale == (1, 1) else ("um", "um")
    chooser = ScaleChooser(viewer)
    qtbot.addWidget(chooser)
    chooser.set_picture(picture_of(viewer.add_image(picture, rgb=True, scale=scale, units=units)))
    assert chooser.arguments() == {}
    assert "estimated" in chooser.text.text()


def test_a_number_can_be_given(chooser):
    chooser.way.setCurrentIndex(BY_HAND)
    chooser.number.setValue(30)
    assert chooser.arguments() == {"red_cell_diameter": 30}
    assert "0.25 µm per pixel" in chooser.text.text()


def test_a_line_is_measured_in_pixels_of_the_picture(chooser, viewer, layer):
    chooser.start_line()
    line = viewer.layers.selection.active
    assert line.mode == "add_line"
    assert chooser.text.text() == "Draw a line across a red cell."
    with pytest.raises(CytosaeError, match="^Draw a line across a red cell first, or choose another scale.$"):
        chooser.arguments()
    line.add_lines(np.array([[10.0, 10.0], [40.0, 50.0]]))
    assert chooser.arguments() == {"red_cell_diameter": pytest.approx(50)}
    assert "50 pixels wide" in chooser.text.text()
    line.add_lines(np.array([[10.0, 10.0], [10.0, 40.0]]))
    assert chooser.arguments() == {"red_cell_diameter": pytest.approx(30)}


def test_the_layer_of_the_line_is_added_once_and_may_go(chooser, viewer):
    chooser.start_line()
    chooser.start_line()
    assert len(viewer.layers) == 2
    viewer.layers.pop()
    assert chooser.line_length() is None
    chooser.way.setCurrentIndex(FROM_LINE)
    chooser.start_line()
    assert len(viewer.layers) == 2


def test_without_a_picture_nothing_can_be_drawn(qtbot, viewer):
    chooser = ScaleChooser(viewer)
    qtbot.addWidget(chooser)
    chooser.start_line()
    assert len(viewer.layers) == 0


def test_points_of_another_layer_fall_on_the_same_place(viewer, layer):
    other = viewer.add_shapes(scale=(2, 2), translate=(1, 1), units=("um", "um"))
    found = to_pixels(picture_of(layer), other, np.array([[1.0, 1.5], [5.0, 6.0]]))
    np.testing.assert_allclose(found, [[0.5, 0.5], [18.5, 16.5]])  # x = ((2 * 1.5 + 1) - 4) / 0.5 + 0.5


def test_to_choose_the_line_begins_it(chooser, viewer):
    chooser.way.setCurrentIndex(FROM_LINE)
    line = viewer.layers.selection.active
    assert line.mode == "add_line"
    line.add_lines(np.array([[10.0, 10.0], [40.0, 50.0]]))
    line.mode = "pan_zoom"
    chooser.way.setCurrentIndex(FROM_PICTURE)
    chooser.way.setCurrentIndex(FROM_LINE)
    assert line.mode == "pan_zoom" and len(viewer.layers) == 2, "one that is drawn is used"


def test_the_size_that_was_measured_or_used_last_is_proposed(chooser, viewer):
    chooser.used(31.04)
    assert chooser.number.value() == 31.0
    chooser.start_line()
    viewer.layers.selection.active.add_lines(np.array([[10.0, 10.0], [40.0, 50.0]]))
    assert chooser.number.value() == 50
    chooser.way.setCurrentIndex(BY_HAND)
    chooser.number.setValue(12)
    chooser.used(99)
    assert chooser.number.value() == 12, "what was typed stays"


@pytest.mark.parametrize("way", [FROM_PICTURE, FROM_LINE, BY_HAND])
def test_it_is_narrow_and_the_number_shows_its_unit(chooser, way):
    chooser.way.setCurrentIndex(way)
    chooser.show()
    assert chooser.minimumSizeHint().width() < 300
    chooser.resize(300, chooser.sizeHint().height())
    assert chooser.number.width() >= chooser.number.sizeHint().width() or way != BY_HAND
    assert chooser.number.text().endswith(" pixels")
