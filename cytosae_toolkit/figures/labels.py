"""Names beside points, none over another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

_DISTANCES = (9.0, 18.0, 28.0, 40.0, 54.0, 70.0, 90.0, 115.0)
_DIRECTIONS = ((1.0, 0.5), (-1.0, 0.5), (1.0, -0.5), (-1.0, -0.5), (-1.0, 0.0), (0.0, -1.5), (0.0, 1.5))
_LONGEST = 26


def label_points(axis: Axes, x: NDArray[np.floating], y: NDArray[np.floating], texts: Sequence[str]) -> None:
    """Write texts beside points, each at the nearest place where it covers no other text and stays within the axes.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        With its final limits.
    x, y : float array [n]
        Points, in data coordinates.
    texts : sequence of str
        One for each; long ones are shortened.
    """
    taken: list[Bbox] = []
    axis.figure.canvas.figure.draw_without_rendering()  # so that the layout is final
    inside = axis.get_window_extent()
    for point, text in zip(zip(x, y, strict=True), texts, strict=True):
        shown = _write(axis, (float(point[0]), float(point[1])), _shortened(text))
        taken.append(_place(shown, taken, inside))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


def _write(axis: Axes, point: tuple[float, float], text: str) -> Annotation:
    from matplotlib.patheffects import withStroke

    shown: Annotation = axis.annotate(
        text, point, xytext=(9, 5), textcoords="offset points", fontsize=7.5, zorder=6,
        arrowprops={"arrowstyle": "-", "color": "black", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3},
    )  # fmt: skip
    shown.set_in_layout(False)
    shown.set_path_effects([withStroke(linewidth=2.2, foreground="white")])
    return shown


def _place(shown: Annotation, taken: Sequence[Bbox], inside: Bbox) -> Bbox:
    """Move a text to the first of its possible places that is free, else to the first within the axes."""
    fallback = (_DISTANCES[0] * _DIRECTIONS[0][0], _DISTANCES[0] * _DIRECTIONS[0][1])
    within = False
    for distance, (dx, dy) in itertools.product(_DISTANCES, _DIRECTIONS):
        place = (distance * dx, distance * dy)
        box = _box_at(shown, place)
        if not (inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1):
            continue
        if not any(box.overlaps(other) for other in taken):
            return box
        fallback, within = (fallback, True) if within else (place, True)
    return _box_at(shown, fallback)


def _box_at(shown: Annotation, place: tuple[float, float]) -> Bbox:
    """Move a text to an offset in points and return where it lies, in pixels, with a margin."""
    from matplotlib.text import Text

    canvas: Any = shown.figure.canvas
    renderer = canvas.get_renderer()
    shown.set_position(place)
    shown.set_horizontalalignment("center" if abs(place[0]) < 1e-9 else "left" if place[0] > 0 else "right")
    shown.set_verticalalignment("center")
    shown.update_positions(renderer)
    return Text.get_window_extent(shown, renderer).padded(2.0)
