import numpy as np

from cytosae_toolkit.demo.canvas import Canvas, View
from cytosae_toolkit.demo.red_cells import (
    RED_CELL_RADIUS,
    paint_platelet,
    paint_red_cell,
    sample_platelet,
    sample_red_cell,
    scatter_platelets,
    scatter_red_cells,
)

NOTHING = np.zeros((0, 3))


def test_red_cell_is_paler_in_the_middle():
    canvas = Canvas(View(64, 64, 6.0))
    paint_red_cell(canvas, sample_red_cell(np.random.default_rng(0), 0.0, 0.0))
    haemoglobin = canvas.pigments[0]
    assert haemoglobin[32, 32] < 0.75 * haemoglobin.max()
    assert haemoglobin[0, 0] == 0 and not canvas.masks["red_cells"][0, 0]
    area = canvas.masks["red_cells"].sum() / 36
    assert 0.6 < area / (np.pi * RED_CELL_RADIUS**2) < 1.5


def test_overlapping_red_cells_are_darker():
    rng = np.random.default_rng(1)
    canvas = Canvas(View(96, 64, 6.0))
    for x in (-3.0, 3.0):
        paint_red_cell(canvas, sample_red_cell(rng, x, 0.0))
    assert canvas.pigments[0, 32, 48] > 1.05


def test_platelet_covers_red_cell_in_the_masks():
    rng = np.random.default_rng(2)
    canvas = Canvas(View(64, 64, 6.0))
    paint_red_cell(canvas, sample_red_cell(rng, 0.0, 0.0))
    paint_platelet(canvas, sample_platelet(rng, 1.0, 0.0))
    assert canvas.masks["platelets"].any()
    assert not (canvas.masks["platelets"] & canvas.masks["red_cells"]).any()


def test_density_and_obstacles_are_respected():
    def places(density):
        cells = scatter_red_cells(np.random.default_rng(3), (30, 30), np.array([[0.0, 0, 7]]), density)
        return np.array([(c.x, c.y) for c in cells])

    sparse, dense = places(0.3), places(0.9)
    assert len(dense) > 2 * len(sparse)
    assert np.hypot(*dense.T).min() >= 7 + RED_CELL_RADIUS - 0.4 - 1e-6


def test_number_of_platelets_follows_the_area():
    n = [len(scatter_platelets(np.random.default_rng(s), (50, 50), NOTHING, per_area=1.0)) for s in range(40)]
    assert 8 < np.mean(n) < 12
