"""Regions over pictures at any scale and place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Shapes

from napari_cytosae._overlay import ACCENTS
from napari_cytosae._pixels import picture_of
from napari_cytosae._regions import (
    COLOURS,
    draw_region,
    ellipse,
    find_region,
    mask_of,
    outlines,
    regions_drawn,
    restore_regions,
)

PIXELS = np.zeros((90, 130, 3), dtype=np.uint8)
PLACED = {"scale": (0.5, 2.0), "translate": (3.0, -7.0), "rotate": 20.0}
BOX = np.array([[10, 20], [10, 40], [30, 40], [30, 20]])


def test_a_region_is_drawn_in_a_layer_of_its_own(viewer):
    picture = picture_of(viewer.add_image(PIXELS, rgb=True, **PLACED))
    layer = draw_region(viewer, "A", "ellipse", picture)
    assert (layer.name, str(layer.mode)) == ("Region 1", "add_ellipse")
    assert viewer.layers.selection.active is layer
    np.testing.assert_allclose(layer.affine.affine_matrix, picture.layer.affine.affine_matrix)
    np.testing.assert_allclose(layer.data_to_world((5, 7)), picture.layer.data_to_world((5, 7)))
    layer.name = "renamed"
    assert draw_region(viewer, "A", "polygon", picture) is layer
    assert str(layer.mode) == "add_polygon"
    assert draw_region(viewer, "B", "rectangle", picture) is not layer
    assert len(viewer.layers) == 3
    assert find_region(viewer, "B").metadata["cytosae_region"] == "B"
    assert COLOURS["A"] != COLOURS["B"] and not {*COLOURS.values()} & {*ACCENTS}
    layer.add_rectangles([BOX])
    assert np.all(layer.face_color[:, 3] == 0) and np.all(layer.edge_color[:, 3] == 1), "an outline only"


@settings(deadline=None, max_examples=25)
@given(
    scale=st.tuples(st.floats(0.1, 5), st.floats(0.1, 5)),
    translate=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    rotate=st.floats(-180, 180),
)
def test_outlines_are_in_the_pictures_coordinates_wherever_the_layers_are(scale, translate, rotate):
    picture = picture_of(Image(PIXELS, rgb=True, **PLACED))
    layer = Shapes(ndim=2, scale=scale, translate=translate, rotate=rotate)
    wanted = BOX.astype(float)
    drawn = [layer.world_to_data(picture.layer.data_to_world(corner)) for corner in wanted]
    layer.add_polygons([np.array(drawn)])
    np.testing.assert_allclose(outlines(layer, picture)[0], wanted, atol=1e-3)


def test_lines_have_no_inside():
    layer = Shapes(ndim=2)
    layer.add_lines([[[0, 0], [5, 5]]])
    layer.add_paths([[[0, 0], [5, 5], [9, 0]]])
    layer.add_rectangles([BOX])
    assert len(outlines(layer, picture_of(Image(PIXELS, rgb=True)))) == 1


def test_a_rectangle_covers_its_pixels():
    mask = mask_of([BOX.astype(float)], (90, 130))
    expected = np.zeros((90, 130), dtype=bool)
    expected[10:31, 20:41] = True
    np.testing.assert_array_equal(mask, expected)


def test_outside_the_picture_nothing_is_covered():
    assert not mask_of([BOX + 1000.0], (90, 130)).any()
    assert mask_of([BOX - 20.0], (90, 130)).sum() == 11 * 21


def test_an_ellipse_equals_naparis_own():
    layer = Shapes(ndim=2)
    layer.add_ellipses([BOX])
    ours = mask_of([ellipse(BOX.astype(float))], (90, 130))
    theirs = layer.to_masks((90, 130))[0]
    assert (ours != theirs).sum() <= 0.06 * theirs.sum()
    assert ours.sum() == pytest.approx(np.pi * 10 * 10, rel=0.05)


def test_a_turned_ellipse_is_turned():
    turned = ellipse(np.array([[0, 0], [10, 10], [5, 15], [-5, 5]], dtype=float))
    assert np.hypot(*(turned - turned.mean(axis=0)).T).max() == pytest.approx(np.hypot(5, 5), rel=0.01)


def test_a_region_of_a_stack_is_that_of_its_plane(viewer):
    layer = viewer.add_image(np.zeros((5, *PIXELS.shape), dtype=np.uint8), rgb=True, scale=(3, 0.5, 2))
    viewer.dims.set_point(0, 6)
    picture = picture_of(layer, viewer.dims)
    region = draw_region(viewer, "A", "rectangle", picture)
    for plane in (2, 3):
        region.add_rectangles([np.insert(BOX.astype(float), 0, plane, axis=1)])
    assert len(outlines(region, picture)) == 1, "not what is drawn on another plane"
    np.testing.assert_allclose(outlines(region, picture)[0], BOX, atol=1e-6)


def test_a_region_of_a_pyramids_level_is_in_its_pixels(viewer):
    layer = viewer.add_image([PIXELS, PIXELS[::2, ::2]], rgb=True, multiscale=True)
    picture = picture_of(layer, most_pixels=90 * 130 // 2)
    region = draw_region(viewer, "A", "rectangle", picture)
    region.add_rectangles([BOX])
    np.testing.assert_allclose(outlines(region, picture)[0], (BOX + 0.5) / 2 - 0.5, atol=1e-6)


def test_the_outline_is_seen_at_every_zoom_as_long_as_there_is_a_region(viewer):
    picture = picture_of(viewer.add_image(PIXELS, rgb=True, scale=(0.5, 0.5)))
    camera = viewer.scene.camera
    before, camera.zoom = len(camera.events.zoom.callbacks), 3
    layer = draw_region(viewer, "A", "rectangle", picture)
    layer.add_rectangles([BOX])
    for zoom in (3, 0.2, 20):
        camera.zoom = zoom
        assert layer.edge_width == [pytest.approx(2 / (zoom * 0.5))]
    viewer.layers.remove(layer)
    camera.zoom = 4
    assert len(camera.events.zoom.callbacks) == before


def test_regions_are_drawn_again_once_and_leave_the_selection(viewer):
    import json

    from napari.components import ViewerModel

    picture = picture_of(viewer.add_image(PIXELS, rgb=True, **PLACED))
    assert regions_drawn(viewer) == {}
    drawn = draw_region(viewer, "A", "rectangle", picture)
    drawn.add_rectangles([BOX])
    drawn.add_ellipses([BOX + 5])
    kept = json.loads(json.dumps(regions_drawn(viewer)))
    other = ViewerModel()
    again = picture_of(other.add_image(PIXELS, rgb=True, **PLACED))
    for _ in range(2):
        restore_regions(other, kept | {"B": [["polygon", [[0, 0, 0], [1, 1, 1], [2, 0, 1]]]], "C": []}, again)
    assert other.layers.selection.active is again.layer and len(other.layers) == 2
    assert list(find_region(other, "A").shape_type) == ["rectangle", "ellipse"]
    for before, after in zip(outlines(drawn, picture), outlines(find_region(other, "A"), again), strict=True):
        np.testing.assert_allclose(before, after)
