from dataclasses import replace

import numpy as np

from cytosae_toolkit.demo.canvas import Canvas, View
from cytosae_toolkit.demo.shapes import Blob
from cytosae_toolkit.demo.white_cells import Discs, Material, WhiteCell, paint_white_cell

PLAIN = WhiteCell(
    label="plain",
    x=0.0,
    y=0.0,
    radius=7.0,
    body=Blob(0, 0, 6),
    nucleus=Blob(0, 0, 3),
    cytoplasm=Material((0.0, 0.0, 0.5, 0.0)),
    chromatin=Material((0.0, 0.0, 0.0, 1.0)),
)


def _painted(cell):
    canvas = Canvas(View(80, 80, 5.0))
    canvas.pigments[0] = 0.7
    canvas.masks["red_cells"][:] = True
    paint_white_cell(canvas, cell)
    return canvas


def test_cell_hides_what_is_below():
    canvas = _painted(PLAIN)
    assert canvas.pigments[:, 40, 40].tolist() == [0, 0, 0, 1.0]
    assert canvas.pigments[0, 0, 0] == np.float32(0.7)
    body = canvas.masks["nucleus"] | canvas.masks["cytoplasm"]
    assert np.array_equal(canvas.masks["red_cells"], ~body)


def test_areas_match_the_shapes():
    canvas = _painted(PLAIN)
    assert abs(canvas.masks["nucleus"].sum() / (np.pi * 15**2) - 1) < 0.03
    assert abs(canvas.masks["cytoplasm"].sum() / (np.pi * (30**2 - 15**2)) - 1) < 0.03


def test_granules_over_the_nucleus_only_on_request():
    granules = Discs(np.array([[0.0, 0, 1.0], [4.5, 0, 1.0]]), (1.0, 1.0, 0.0, 0.0))
    beside = _painted(replace(PLAIN, granules=granules))
    over = _painted(replace(PLAIN, granules=granules, granules_over_nucleus=True))
    assert beside.masks["nucleus"][40, 40] and not beside.masks["granules"][40, 40]
    assert over.masks["granules"][40, 40] and over.masks["cytoplasm"][40, 40]
    assert not over.masks["nucleus"][40, 40]


def test_rods_lie_over_granules_and_both_in_the_cytoplasm():
    cell = replace(
        PLAIN,
        granules=Discs(np.array([[4.5, 0.0, 1.0]]), (1.0, 1.0, 0.0, 0.0)),
        rods=np.array([[4.5, -2.0, 4.5, 2.0, 0.4]]),
    )
    masks = _painted(cell).masks
    assert masks["auer_rods"][40, 62] and not masks["granules"][40, 62]
    assert masks["granules"].any()
    assert not ((masks["auer_rods"] | masks["granules"]) & ~masks["cytoplasm"]).any()


def test_vacuoles_are_pale():
    cell = replace(PLAIN, vacuoles=Discs(np.array([[4.5, 0.0, 0.9]]), (0.0, 0.0, 0.0, 0.0)))
    canvas = _painted(cell)
    assert canvas.masks["vacuoles"][40, 62] and canvas.pigments[2, 40, 62] < 0.1


def test_cell_out_of_sight_changes_nothing():
    canvas = Canvas(View(40, 40, 5.0))
    paint_white_cell(canvas, replace(PLAIN, x=60.0))
    assert not canvas.pigments.any()
