from __future__ import annotations

import itertools

import numpy as np
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


def test_long_names_are_shortened():
    axis, _ = labelled([0.5], [0.5], ["vacuoles of the monocyte cytoplasm, small"])
    assert axis.texts[0].get_text().endswith("…")
    assert len(axis.texts[0].get_text()) <= 26
