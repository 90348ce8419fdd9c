from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cytosae_toolkit.figures.style import save_figure
from cytosae_toolkit.figures.training import training_curves


def metrics(n: int = 6) -> pd.DataFrame:
    steps = np.arange(1, n + 1) * 10
    frame = pd.DataFrame({"step": steps, "tokens": steps * 32, "loss": 1 / steps, "reconstruction": 0.7 / steps})
    frame["ghost"] = np.where(steps > 20, 0.1 / steps, np.nan)  # a term that comes up later
    return frame.assign(fvu=0.5, l0=20.0, dead_share=0.1, lr=1e-3, tokens_per_second=1e4)


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_four_panels_with_the_terms_of_the_variant():
    figure = training_curves(metrics())
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert len(titles) == 4
    assert [title.split()[0] for title in titles] == ["Loss", "FVU:", "L0:", "Share"]
    assert legend(figure.axes[0]) == ["loss", "reconstruction", "ghost"]
    assert list(figure.axes[0].lines[0].get_xdata()) == [10, 20, 30, 40, 50, 60]


def test_held_out_values_are_lines():
    figure = training_curves(metrics(), {"held_out": {"fvu": 0.25, "l0": 31.0}, "train": {}})
    assert legend(figure.axes[1])[1] == "held-out images: 0.25"
    assert figure.axes[1].lines[1].get_ydata()[0] == 0.25
    assert legend(figure.axes[2])[1] == "held-out images: 31"


@pytest.mark.parametrize("evaluation", [None, {}, {"held_out": None}])
def test_without_held_out_images_there_is_no_line(evaluation):
    assert len(training_curves(metrics(), evaluation).axes[1].lines) == 1


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_it_draws_and_saves(tmp_path, suffix):
    files = save_figure(training_curves(metrics()), tmp_path / f"curves.{suffix}", metrics())
    assert all(file.stat().st_size > 100 for file in files)
    assert list(pd.read_csv(files[1])["step"]) == [10, 20, 30, 40, 50, 60]


def test_one_row_and_zeros_draw_too(tmp_path):
    dead = metrics(1).assign(l0=0.0, loss=0.0)
    save_figure(training_curves(dead), tmp_path / "curves.png")
