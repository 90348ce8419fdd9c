import numpy as np
import pytest

from cytosae_toolkit.demo.canvas import Canvas, View


@pytest.mark.parametrize("rotation", [0.0, 0.7, -2.0])
def test_pixels_and_scene_map_back_and_forth(rotation):
    view = View(64, 48, 3.0, x=1.5, y=-2.0, rotation=rotation)
    column, row = view.to_pixels(4.0, 1.0)
    x, y = view.to_scene(np.float32([column]), np.float32([row]))
    assert (x[0], y[0]) == pytest.approx((4.0, 1.0), abs=1e-4)
    assert view.to_pixels(1.5, -2.0) == pytest.approx((32, 24))


def test_window_holds_the_pixels_around_a_point_and_is_cut_at_the_edge():
    canvas = Canvas(View(64, 64, 4.0))
    window = canvas.window(0.0, 0.0, 2.0)
    assert window is not None and window.x.shape == (window.rows.stop - window.rows.start,) * 2
    inside = np.hypot(window.x, window.y) < 2.0
    assert inside.sum() == pytest.approx(np.pi * 8**2, rel=0.05)
    corner = canvas.window(-8.0, -8.0, 2.0)
    assert corner is not None and corner.rows.start == 0 and corner.columns.start == 0
    assert canvas.window(50.0, 0.0, 2.0) is None


def test_coverage_is_full_inside_none_outside_half_on_the_edge():
    cover = Canvas(View(8, 8, 4.0)).coverage(np.float32([-1, 0, 1]))
    assert cover.tolist() == [1, 0.5, 0]


def test_marking_hides_what_was_there():
    canvas = Canvas(View(16, 16, 2.0))
    canvas.masks["red_cells"][:] = True
    window = canvas.window(0.0, 0.0, 2.0)
    assert window is not None
    canvas.mark(window, "nucleus", np.hypot(window.x, window.y) < 1.5)
    assert canvas.masks["nucleus"].any()
    assert not (canvas.masks["nucleus"] & canvas.masks["red_cells"]).any()
