from __future__ import annotations

import numpy as np
import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore import Explorer
from cytosae_toolkit.explore.windows import Blend, FieldMap, field_picture, read_boxes, slide

pytestmark = pytest.mark.usefixtures("no_loggers")


class Pixels:
    """A field in memory."""

    def __init__(self, image):
        self.image, self.shape = image, image.shape

    def read_window(self, x0, y0, x1, y1):
        return self.image[y0:y1, x0:x1]


def boxes_of(x0, y0, size, n):
    edges = np.arange(n + 1) * size / n
    return np.array(
        [[x0 + edges[c], y0 + edges[r], x0 + edges[c + 1], y0 + edges[r + 1]] for r in range(n) for c in range(n)]
    )


@pytest.fixture
def session(trained):
    return Explorer(trained.run, device="cpu")


def test_one_window_is_its_heat_map(session, trained):
    image = trained.table.read(0)
    found = slide(session, Pixels(image), [(0, 0, 32, 32)], [3, 90, 3])
    assert (found.latents, found.shape, found.cell) == ((3, 90, 3), (32, 32), (16.0, 16.0))
    np.testing.assert_allclose(found.maps[0], session.read(image).heatmap(3), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.maps[1], session.read(image).heatmap(90), rtol=1e-4, atol=1e-5)


def test_windows_side_by_side_are_their_heat_maps_side_by_side(session, trained):
    left, right = trained.table.read(0), trained.table.read(1)
    field = Pixels(np.concatenate([left, right], axis=1))
    found = slide(session, field, [(0, 0, 32, 32), (32, 0, 64, 32)], [5])
    expected = np.concatenate([session.read(each).heatmap(5) for each in (left, right)], axis=1)
    np.testing.assert_allclose(found.maps[0], expected, rtol=1e-4, atol=1e-5)


def test_what_no_window_reaches_is_unknown(session, trained):
    field = Pixels(np.concatenate([trained.table.read(0)] * 2, axis=1))
    found = slide(session, field, [(0, 0, 32, 32)], [5])
    assert np.isfinite(found.maps[0, :, :2]).all()
    assert np.isnan(found.maps[0, :, 2:]).all()


def test_overlapping_windows_blend_to_the_field_that_they_show():
    """Windows onto a plane give back the plane, whatever their overlap, up to the clamped border."""
    height, width, size = 70, 90, 40
    blend = Blend(1, (height, width), boxes_of(0, 0, size, 4))
    for y in (0, 15, 30):
        for x in (0, 20, 50):
            boxes = boxes_of(x, y, size, 4)
            middle_y, middle_x = boxes[:, [1, 3]].mean(axis=1), boxes[:, [0, 2]].mean(axis=1)
            blend.add((3 * middle_y + middle_x).reshape(1, 4, 4).astype(np.float32), boxes)
    found = blend.result()[0]
    assert found.shape == (7, 9)
    y, x = np.meshgrid((np.arange(7) + 0.5) * 10, (np.arange(9) + 0.5) * 10, indexing="ij")
    np.testing.assert_allclose(found[1:-1, 1:-1], (3 * y + x)[1:-1, 1:-1], atol=3 * 5)
    assert np.isfinite(found).all()


def test_a_constant_stays_constant():
    blend = Blend(2, (64, 50), boxes_of(0, 0, 32, 4))
    for y in (0, 16, 32):
        for x in (0, 18):
            blend.add(np.full((2, 4, 4), 2.5, dtype=np.float32), boxes_of(x, y, 32, 4))
    np.testing.assert_allclose(blend.result(), 2.5, rtol=1e-6)


def test_nothing_to_slide_is_one_sentence(session, trained):
    field = Pixels(trained.table.read(0))
    with pytest.raises(CytosaeError, match="nothing to slide"):
        slide(session, field, [], [1])
    with pytest.raises(CytosaeError, match="Latent 128 does not exist"):
        slide(session, field, [(0, 0, 32, 32)], [128])


def test_maps_of_ordinary_fields_lie_over_their_picture_as_they_are():
    heat = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    shown, boxes = FieldMap((7,), heat, (30, 80), 1).for_picture(0, (30, 80, 3))
    np.testing.assert_array_equal(shown, heat[0])
    np.testing.assert_array_equal(boxes[[0, 5, 11]], [[0, 0, 20, 10], [20, 10, 40, 20], [60, 20, 80, 30]])


def test_maps_of_large_fields_keep_their_spots_in_the_picture():
    heat = np.zeros((1, 1201, 700), dtype=np.float32)
    heat[0, 777, 333], heat[0, 0, 0] = 5, np.nan
    shown, boxes = FieldMap((7,), heat, (120100, 70000), 1).for_picture(0, (2000, 1166, 3))
    assert shown.shape == (500, 500)
    (spot,) = np.flatnonzero(shown)
    assert shown.flat[spot] == 5
    x0, y0, x1, y1 = boxes[spot]
    assert x0 <= 333.5 / 700 * 1166 <= x1
    assert y0 <= 777.5 / 1201 * 2000 <= y1
    np.testing.assert_array_equal(boxes[-1, 2:], [1166, 2000])


def test_cells_of_a_map_are_no_smaller_than_pixels_of_the_picture():
    shown, boxes = FieldMap((7,), np.ones((1, 56, 56), dtype=np.float32), (32, 32), 1).for_picture(0, (32, 32, 3))
    assert shown.shape == (32, 32)
    assert (np.rint(boxes[:, 2:]) > np.rint(boxes[:, :2])).all()


def test_the_picture_of_a_field_is_read_in_bands_below_the_limit(monkeypatch):
    y, x = np.mgrid[:3000, :2400]
    field, largest = Pixels(np.stack([y / 12, x / 12, 0 * y], axis=-1).astype(np.uint8)), []
    read = field.read_window
    field.read_window = lambda *box: largest.append((box[2] - box[0]) * (box[3] - box[1])) or read(*box)
    monkeypatch.setenv("CYTOSAE_MAX_PIXELS", "100000")
    picture = field_picture(field)
    assert picture.shape == (2000, 1600, 3)
    assert max(largest) <= 100_000
    np.testing.assert_allclose(picture, field.image[::3, ::3].repeat(2, 0).repeat(2, 1), atol=2)


@pytest.mark.parametrize(("side", "together"), [(32, 64), (2048, 8), (8000, 1)])
def test_boxes_are_read_as_many_together_as_fit(side, together):
    class Empty:
        shape = (9000, 9000, 3)

        def read_window(self, *box):
            return box

    boxes = [(0, 0, side, side)] * 70
    parts = list(read_boxes(Empty(), boxes))
    assert len(parts[0][0]) == together
    assert [box for _, pixels in parts for box in pixels] == boxes
