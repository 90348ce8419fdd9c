"""How a training went: loss terms, FVU, L0 and dead latents over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cytosae_toolkit.figures.style import GREEN, figure_style, new_figure
from cytosae_toolkit.training.log import AFTER_TERMS, BEFORE_TERMS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def training_curves(metrics: pd.DataFrame, evaluation: dict[str, Any] | None = None) -> Figure:
    """Draw the metrics of a run over its steps.

    Parameters
    ----------
    metrics : pandas.DataFrame
        `metrics.csv` of a run.
    evaluation : dict, optional
        `evaluation.json`; its held-out values are drawn as lines.

    Returns
    -------
    matplotlib.figure.Figure
        Four panels: loss, FVU, L0, dead share.
    """
    held_out = (evaluation or {}).get("held_out") or {}
    with figure_style():
        figure = new_figure(9, 5.4)
        loss, fvu, l0, dead = figure.subplots(2, 2, sharex=True).ravel()
        _draw_loss(loss, metrics)
        _draw(fvu, metrics, "fvu", "FVU: variance not explained", held_out.get("fvu"))
        _draw(l0, metrics, "l0", "L0: active latents per token", held_out.get("l0"))
        _draw(dead, metrics, "dead_share", "Share of latents silent for 64 steps", None)
        if (metrics["l0"] > 0).any():
            l0.set_yscale("log")
        for axes in (fvu, dead):
            axes.set_ylim(bottom=0)
        for axes in (l0, dead):
            axes.set_xlabel("step")
    return figure


def _draw_loss(axes: Axes, metrics: pd.DataFrame) -> None:
    axes.plot(metrics["step"], metrics["loss"], color="black", label="loss")
    for name in metrics.columns:
        if name not in (*BEFORE_TERMS, *AFTER_TERMS):
            axes.plot(metrics["step"], metrics[name], label=name, linestyle="--" if name == "ghost" else "-")
    if (metrics["loss"] > 0).any():
        axes.set_yscale("log")
    axes.set_title("Loss and its terms")
    axes.legend(fontsize=8)


def _draw(axes: Axes, metrics: pd.DataFrame, column: str, title: str, held_out: float | None) -> None:
    axes.plot(metrics["step"], metrics[column], label="training batches")
    if held_out is not None:
        axes.axhline(held_out, color=GREEN, linestyle="--", label=f"held-out images: {held_out:.3g}")
        axes.legend(fontsize=8)
    axes.set_title(title)
