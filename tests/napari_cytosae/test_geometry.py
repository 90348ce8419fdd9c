"""What lies over a picture lies where it belongs, whatever the layer's transform, and the patch is the right one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image

from cytosae_toolkit.explore.heat import Heat
from cytosae_toolkit.explore.image import LoadedImage
from cytosae_toolkit.explore.scene import Part, Scene, Spot
from napari_cytosae._geometry import Frame, picture_point, place, place_heat, place_like, unit_factors

scales = st.floats(0.02, 40).flatmap(lambda value: st.sampled_from([value, -value]))
shifts = st.floats(-1e4, 1e4)


@st.composite
def layers(draw):
    """A layer of two to four axes with any transform, and a plane of it, perhaps of a coarser level."""
    ndim = draw(st.integers(2, 4))
    shape = tuple(draw(st.integers(1, 9)) for _ in range(ndim))
    layer = Image(
        np.zeros(shape, np.uint8),
        scale=[draw(scales) for _ in range(ndim)],
        translate=[draw(shifts) for _ in range(ndim)],
    )
    if draw(st.booleans()):
        layer.rotate = (
            draw(st.floats(-180, 180))
            if ndim == 2
            else np.linalg.qr(np.random.default_rng(draw(st.integers(0, 99))).normal(size=(ndim, ndim)))[0]
        )
    if draw(st.booleans()):
        shear = np.eye(ndim)
        shear[0, 1] = draw(st.floats(-2, 2))
        layer.shear = shear
    if draw(st.booleans()):
        matrix = np.eye(ndim + 1)
        matrix[:ndim] += np.random.default_rng(draw(st.integers(0, 99))).normal(size=(ndim, ndim + 1)) * 0.1
        layer.affine = matrix
    axes = tuple(sorted(draw(st.permutations(range(ndim)))[:2]))
    index = [draw(st.integers(0, n - 1)) for n in shape]
    for axis in axes:
        index[axis] = 0
    step = (draw(st.sampled_from([1.0, 2.0, 3.7])), draw(st.sampled_from([1.0, 2.0, 5.3])))
    return layer, Frame(tuple(index), axes, step)


def world_of(layer, frame, y, x):
    """The world coordinates of a point of the picture, by the layer itself."""
    data = np.array(frame.index, dtype=float)
    data[frame.axes[0]], data[frame.axes[1]] = y * frame.step[0] - 0.5, x * frame.step[1] - 0.5
    return np.array(layer.data_to_world(data))


def test_the_published_formula():
    layer = Image(np.zeros((64, 96)), scale=(0.5, 2), translate=(7, -3))
    found = place(layer, Frame(), (0, 0), (16, 16))
    np.testing.assert_allclose(found.scale, [0.5 * 16, 2 * 16])
    np.testing.assert_allclose(found.translate, [7 + 0.5 * 15 / 2, -3 + 2 * 15 / 2])


@settings(max_examples=60, deadline=None)
@given(
    layers(),
    st.tuples(st.floats(-50, 5000), st.floats(-50, 5000)),
    st.tuples(st.floats(0.3, 60), st.floats(0.3, 60)),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
def test_every_corner_of_every_cell_is_where_the_picture_has_it(made, origin, cell, grid):
    layer, frame = made
    values = np.arange(grid[0] * grid[1], dtype=np.float32).reshape(grid)
    data, placement = place_heat(layer, frame, Heat(values, origin, cell))
    over = Image(data, rgb=False, **placement.arguments())
    assert over.ndim == layer.ndim
    assert tuple(over.units) == tuple(layer.units)
    size = 1e-9 * (1 + np.abs(world_of(layer, frame, 1e4, 1e4)).max())
    for row in range(grid[0] + 1):
        for column in range(grid[1] + 1):
            corner = np.zeros(frame.ndim)
            corner[frame.axes[0]], corner[frame.axes[1]] = row - 0.5, column - 0.5
            expected = world_of(layer, frame, origin[0] + row * cell[0], origin[1] + column * cell[1])
            np.testing.assert_allclose(over.data_to_world(corner), expected, rtol=1e-7, atol=size)


@settings(max_examples=100, deadline=None)
@given(layers(), st.floats(-20, 3000), st.floats(-20, 3000))
def test_from_the_world_back_to_the_pixel(made, y, x):
    layer, frame = made
    found = picture_point(frame, layer, world_of(layer, frame, y, x))
    assert found == pytest.approx((x, y), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(layers())
def test_a_layer_moved_is_followed(made):
    layer, frame = made
    over = Image(np.zeros((1,) * frame.ndim), rgb=False)
    place_like(layer).apply(over)
    point = np.arange(1.0, 1 + frame.ndim)
    np.testing.assert_allclose(over.data_to_world(point), layer.data_to_world(point), rtol=1e-7, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.tuples(st.floats(0.02, 40), st.floats(0.02, 40)),
    translate=st.tuples(shifts, shifts),
    side=st.integers(8, 600),
    n_windows=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    grid=st.tuples(st.integers(1, 16), st.integers(1, 16)),
)
def test_the_patch_under_the_cursor_is_the_right_one_at_every_corner_and_edge(scale, translate, side, n_windows, grid):
    places = [
        (column * side, row * side, (column + 1) * side, (row + 1) * side)
        for row in range(n_windows[0])
        for column in range(n_windows[1])
    ]
    y, x = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    edges = [np.arange(n + 1) * side / n for n in grid]
    boxes = np.stack([edges[1][x], edges[0][y], edges[1][x + 1], edges[0][y + 1]], axis=1)
    image = LoadedImage("w", None, None, SimpleNamespace(grid=grid), boxes, None, 0.1, 1.0, None)
    shape = (n_windows[0] * side, n_windows[1] * side)
    scene = Scene(None, "boxes", shape, [Part(image, box) for box in places])
    layer = Image(np.zeros(shape, np.uint8), scale=scale, translate=translate)
    frame = Frame()
    for part in {0, len(places) - 1}:
        for row in {0, grid[0] // 2, grid[0] - 1}:
            for column in {0, grid[1] // 2, grid[1] - 1}:
                x0, y0, x1, y1 = scene.patch_box(Spot(part, row, column))
                for u in (1e-3, 0.5, 1 - 1e-3):
                    for v in (1e-3, 0.5, 1 - 1e-3):
                        at = world_of(layer, frame, y0 + v * (y1 - y0), x0 + u * (x1 - x0))
                        found = scene.locate(*picture_point(frame, layer, at))
                        assert found == Spot(part, row, column)


def test_another_plane_is_no_place_of_the_picture():
    layer = Image(np.zeros((5, 40, 60)), scale=(2, 1, 1))
    frame = Frame((3, 0, 0), (1, 2))
    assert picture_point(frame, layer, (6, 10, 20)) == (20.5, 10.5)
    assert picture_point(frame, layer, (8, 10, 20)) is None
    assert picture_point(frame, layer, (10, 20)) is None  # of a viewer with fewer axes
    assert picture_point(frame, layer, (9, 9, 6, 10, 20)) == (20.5, 10.5)


def test_the_box_of_a_patch_in_the_layer():
    frame = Frame((3, 0, 0), (1, 2), (2.0, 4.0))
    np.testing.assert_array_equal(
        frame.rectangle((0, 0, 5, 10)), [[3, -0.5, -0.5], [3, -0.5, 19.5], [3, 19.5, 19.5], [3, 19.5, -0.5]]
    )


def test_the_viewer_may_count_in_other_units():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((40, 60)), scale=(0.25, 0.25), units=("um", "um"))
    viewer.add_image(np.zeros((9, 9)), scale=(1e-6, 1e-6), units=("mm", "mm"))
    units = viewer.layers.extent.units
    factor = unit_factors(units, layer.units)
    at = np.array([10.0, 5.0]) / factor
    assert picture_point(Frame(), layer, at, units) == pytest.approx((20.5, 40.5))
    viewer.layers.units = ("mm", "mm")
    assert picture_point(Frame(), layer, (0.01, 0.005), viewer.layers.extent.units) == pytest.approx((20.5, 40.5))
    assert unit_factors(layer.units, ViewerModel().add_image(np.zeros((2, 2))).units).tolist() == [1, 1]
