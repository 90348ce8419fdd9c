"""One look for all figures: legible, colour-blind safe (Okabe and Ito), nothing decorative."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
COLORS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
SUFFIXES = (".png", ".pdf", ".svg")

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the look within a block."""
    import matplotlib as mpl
    from cycler import cycler

    with mpl.rc_context({**_SETTINGS, "axes.prop_cycle": cycler(color=COLORS)}):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, without any window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, numbers: pd.DataFrame | None = None, *, dpi: int = 150) -> list[Path]:
    """Save a figure by its suffix, and the numbers as a CSV beside it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to save.
    path : Path
        ``.png``, ``.pdf`` or ``.svg``.
    numbers : pandas.DataFrame, optional
        What the figure shows.
    dpi : int
        Resolution of pixels within it.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    CytosaeError
        If the suffix is another.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CytosaeError(f"{path} has no suffix of a figure.", f"Choose one of {', '.join(SUFFIXES)}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    if numbers is None:
        return [path]
    table = path.with_suffix(".csv")
    numbers.to_csv(table, index=False, float_format="%.6g")
    return [path, table]


def alpha_ramp(color: str = ORANGE) -> LinearSegmentedColormap:
    """Return a colour map of one colour whose opacity grows from 0 to 0.85, so that a bright smear stays visible."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    r, g, b = to_rgb(color)
    return LinearSegmentedColormap.from_list("alpha_ramp", [(r, g, b, 0.0), (r, g, b, 0.85)])


def highlight(image: NDArray[np.uint8], heatmap: NDArray[np.floating], boxes: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Dim the patches of an image where a latent is silent.

    Parameters
    ----------
    image : uint8 array [H, W, 3]
        RGB.
    heatmap : float array [patches]
        0 (silent) to 1 (as strong as it gets).
    boxes : float64 array [patches, 4]
        ``x0, y0, x1, y1`` of each patch in the image's pixels.

    Returns
    -------
    uint8 array [H, W, 3]
        Silent patches faded towards a light grey, active ones as they are.
    """
    weight = np.zeros(image.shape[:2])
    for value, (x0, y0, x1, y1) in zip(heatmap, np.rint(boxes).astype(int), strict=True):
        weight[y0:y1, x0:x1] = value
    weight = np.where(weight > 0, 0.25 + 0.75 * np.sqrt(weight), 0.0)[..., None]
    faded = 225 + 0.12 * (image.mean(axis=2, keepdims=True) - 225)
    return np.asarray(np.rint(weight * image + (1 - weight) * faded), dtype=np.uint8)
