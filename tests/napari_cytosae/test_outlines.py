"""Boxes outlined over a picture."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cytosae._geometry import Frame
from napari_cytosae._outlines import insert_outlines, line_width, sides_of, sides_of_boxes
from napari_cytosae._pixels import picture_of


def test_an_outline_is_covered_once_and_reaches_its_corners():
    upper, lower, left, right = sides_of(Frame(step=(2.0, 2.0)), (5, 10, 15, 40), 4.0)
    assert np.array([upper, lower]).tolist() == [[[19.5, 7.5], [0, 24]], [[79.5, 7.5], [0, 24]]]
    assert np.array([left, right]).tolist() == [[[21.5, 9.5], [56, 0]], [[21.5, 29.5], [56, 0]]]


@pytest.mark.parametrize(
    ("zoom", "least", "most", "width"), [(4, 0.0, 0.5, 2.0), (4, 0.3, 0.5, 3.0), (0.1, 0.0, 0.5, 5)]
)
def test_lines_are_seen_but_do_not_fill_the_smallest_box(viewer, layer, zoom, least, most, width):
    """Two pixels of the screen are 2 pixels of the picture at a zoom of 4, 80 at a zoom of 0.1."""
    viewer.scene.camera.zoom = zoom
    boxes = [(0, 0, 40, 50), (5, 5, 15, 25)]
    assert line_width(viewer, picture_of(layer), boxes, least, most) == pytest.approx(width)


def test_the_layer_lies_over_the_picture_above_all_and_leaves_the_selection(viewer, layer):
    viewer.add_points([[1, 1]])
    viewer.layers.selection.active = layer
    picture = picture_of(layer)
    sides = sides_of_boxes(picture.frame, [(0, 0, 40, 50), (5, 5, 15, 25)], 2.0)
    drawn = insert_outlines(viewer, picture, sides, "boxes", edge_color="black")
    assert viewer.layers[-1] is drawn and viewer.layers.selection.active is layer
    assert drawn.data.shape == (8, 2, 2)
    np.testing.assert_allclose(drawn.data_to_world((5, 7)), layer.data_to_world((5, 7)))
