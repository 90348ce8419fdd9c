from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pandas as pd

from cytosae_toolkit.cohort.report.plots import PlotRow, dot_plot, strip_figure


def test_a_dot_per_patient_and_one_mark():
    rows = [PlotRow("<me> & 'you'", np.array([3.0]), marked=True), PlotRow("x" * 99, np.array([0.0, 1.0, 2.0]))]
    tree = ElementTree.fromstring(dot_plot(rows, "patches per cell"))
    svg = "{http://www.w3.org/2000/svg}"
    assert len(tree.findall(f"{svg}circle")) == 3
    texts = [text.text for text in tree.findall(f"{svg}text")]
    assert "<me> & 'you'" in texts
    assert "x" * 29 + "…" in texts
    assert texts[0] == "0"


def test_empty_groups_and_zeros_are_drawn():
    ElementTree.fromstring(dot_plot([PlotRow("none", np.zeros(0)), PlotRow("zero", np.zeros(2))], "u"))


def test_strips_of_many_latents_with_odd_labels():
    n = 3000
    table = pd.DataFrame(
        {"label": ["$bad$_label"] * 2000 + ["b"] * 1000, "others": 1.0, "this patient": 2.0, "$g$": 0.5}
    )
    figure = strip_figure(table, ["this patient", "$g$"], "patches")
    figure.canvas.draw()
    images = [axes.images[0].get_array() for axes in figure.axes[:2]]
    assert images[1].shape == (2, 1200)
    assert n > images[1].shape[1]
    assert (images[1][0] > 0).all()
    assert (images[1][1] < 0).all()
