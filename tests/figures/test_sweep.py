from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.figures.style import save_figure
from cytosae_toolkit.figures.sweep import PANELS, sweep_figure

DOTTED = [column for column in PANELS if not column.startswith("stability")]


def tables(finished: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    values = np.array([0.2, 0.4, 0.6, np.nan if finished < 2 else 0.8])
    runs = pd.DataFrame({"point": ["a", "a", "b", "b"], **dict.fromkeys(DOTTED, values)})
    points = pd.DataFrame(
        {"point": ["a", "b"], "label": ["base", "layer = 1"], "n_runs": [2, 2], "n_finished": [2, finished]}
    )
    for column in PANELS:
        points[column], points[f"{column}_sd"] = [0.3, 0.7], [0.14, np.nan if finished < 2 else 0.14]
    return runs, points


def test_a_panel_per_metric_with_a_dot_per_run():
    figure = sweep_figure(*tables())
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(PANELS.values())
    dots = figure.axes[0].lines[0]
    assert list(dots.get_xdata()) == [0.2, 0.4, 0.6, 0.8]
    assert list(dots.get_ydata()) == [0, 0, 1, 1]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["base", "layer = 1"]


def test_error_bars_are_the_standard_deviation():
    (bars,) = sweep_figure(*tables()).axes[0].containers
    low, high = bars.lines[1][0].get_xdata(), bars.lines[1][1].get_xdata()
    assert list(high - low) == pytest.approx([0.28, 0.28])


def test_missing_runs_are_said():
    labels = [text.get_text() for text in sweep_figure(*tables(finished=1)).axes[0].get_yticklabels()]
    assert labels == ["base", "layer = 1  (1 of 2 runs missing)"]


def test_wide_ranges_are_logarithmic(tmp_path):
    runs, points = tables()
    points["l0"] = [1.0, 400.0]
    figure = sweep_figure(runs, points)
    assert [axes.get_xscale() for axes in figure.axes] == ["linear", "log", "linear", "linear", "linear"]
    assert save_figure(figure, tmp_path / "sweep.png")[0].stat().st_size > 1000


def test_nothing_finished_draws_too(tmp_path):
    runs, points = tables()
    for column in PANELS:
        points[column] = np.nan
    save_figure(sweep_figure(runs.assign(**dict.fromkeys(DOTTED, np.nan)), points), tmp_path / "sweep.png")
