from __future__ import annotations

import itertools

import numpy as np
from matplotlib.path import Path
from matplotlib.text import Text

from cytosae_toolkit.figures.labels import label_points
from cytosae_toolkit.figures.style import figure_style, new_figure


def labelled(x, y, texts):
    with figure_style():
        figure = new_figure(5, 4)
        axis = figure.subplots()
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1)
        label_points(axis, np.array(x), np.array(y), texts)
    renderer = figure.canvas.get_renderer()
    return axis, [Text.get_window_extent(text, renderer) for text in axis.texts]


def test_names_of_neighbours_do_not_cover_each_other():
    _, boxes = labelled([0.5] * 8, np.linspace(0.48, 0.52, 8), [f"concept {i}" for i in range(8)])
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_names_stay_within_the_axes():
    axis, boxes = labelled([0.99, 0.01, 0.99], [0.99, 0.01, 0.01], ["eosinophilic granules"] * 3)
    inside = axis.get_window_extent()
    assert all(inside.x0 <= b.x0 and b.x1 <= inside.x1 and inside.y0 <= b.y0 and b.y1 <= inside.y1 for b in boxes)


def test_a_name_without_room_is_left_out_and_points_without_names_are_not_covered():
    axis, boxes = labelled([0.5] * 400, [0.5] * 400, [f"a rather long concept {i}" for i in range(400)])
    assert 10 < len(boxes) < 400
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    axis, (box,) = labelled([0.5, 0.52, 0.54, 0.56], [0.5, 0.51, 0.52, 0.53], ["granules", "", "", ""])
    for point in axis.transData.transform([[0.5, 0.5], [0.52, 0.51], [0.54, 0.52], [0.56, 0.53]]):
        assert not box.contains(*point)


def test_lines_to_points_cross_no_other_name():
    _, boxes = labelled([0.5, 0.5, 0.5], [0.5, 0.48, 0.46], ["first", "second", "third"])
    axis, boxes = labelled([0.3, 0.3, 0.5], [0.5, 0.49, 0.495], ["first", "second", "third"])
    points = axis.transData.transform([[0.3, 0.5], [0.3, 0.49], [0.5, 0.495]])
    for i, j in itertools.permutations(range(3), 2):
        centre = ((boxes[i].x0 + boxes[i].x1) / 2, (boxes[i].y0 + boxes[i].y1) / 2)
        assert not Path([points[i], centre]).intersects_bbox(boxes[j], filled=False)


def test_long_names_are_shortened():
    axis, _ = labelled([0.5], [0.5], ["vacuoles of the monocyte cytoplasm, small"])
    assert axis.texts[0].get_text().endswith("…")
    assert len(axis.texts[0].get_text()) <= 26
