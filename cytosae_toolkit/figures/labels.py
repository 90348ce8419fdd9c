"""Names beside points, none over another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

_DISTANCES = (9.0, 18.0, 28.0, 40.0, 54.0, 70.0, 90.0, 115.0)
_DIRECTIONS = (
    (1.0, 0.5), (-1.0, 0.5), (1.0, -0.5), (-1.0, -0.5), (-1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0),
    (-1.0, -1.0), (0.0, -1.5), (0.0, 1.5), (0.5, -1.5), (-0.5, -1.5), (0.5, 1.5), (-0.5, 1.5),
)  # fmt: skip
_LONGEST = 26


@dataclass
class _Taken:
    """What a text may not cover, in pixels."""

    inside: Bbox
    points: NDArray[np.float64]
    boxes: list[Bbox] = field(default_factory=list)
    lines: list[Path] = field(default_factory=list)

    def covers_text(self, box: Bbox) -> bool:
        """Say whether a box lies over a text."""
        return any(box.overlaps(other) for other in self.boxes)

    def faults(self, box: Bbox, line: Path) -> int:
        """Count the points and lines under a box, and the texts that its own line crosses."""
        under = ((self.points > (box.x0, box.y0)) & (self.points < (box.x1, box.y1))).all(axis=1).sum()
        crossed = sum(bool(other.intersects_bbox(box, filled=False)) for other in self.lines)
        return int(under) + crossed + sum(bool(line.intersects_bbox(other, filled=False)) for other in self.boxes)


def label_points(axis: Axes, x: NDArray[np.floating], y: NDArray[np.floating], texts: Sequence[str]) -> None:
    """Write texts beside points, each at the nearest place within the axes where it covers and crosses nothing.

    Where there is none, where it covers and crosses least; a text that would cover another one is left out.

    Parameters
    ----------
    axis : matplotlib.axes.Axes
        With its final limits.
    x, y : float array [n]
        Points, in data coordinates.
    texts : sequence of str
        One for each, ``""`` for a point without one that must not be covered; long ones are shortened.
    """
    axis.figure.canvas.figure.draw_without_rendering()  # so that the layout is final
    points = axis.transData.transform(np.stack([x, y], axis=1).astype(np.float64)) if len(x) else np.zeros((0, 2))
    taken = _Taken(axis.get_window_extent(), points)
    for i, text in enumerate(texts):
        if text:
            _place(_write(axis, (float(x[i]), float(y[i])), _shortened(text)), points[i], taken)


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


def _place(shown: Annotation, point: NDArray[np.float64], taken: _Taken) -> None:
    """Move a text to the best of its possible places, the nearest among equals, or take it away if there is none."""
    best, fewest = None, math.inf
    for distance, (dx, dy) in itertools.product(_DISTANCES, _DIRECTIONS):
        place = (distance * dx, distance * dy)
        box = _box_at(shown, place)
        if not _within(box, taken.inside) or taken.covers_text(box):
            continue
        faults = taken.faults(box, _line_to(point, box))
        if faults < fewest:
            best, fewest = place, faults
        if not faults:
            break
    if best is None:
        shown.remove()
        return
    box = _box_at(shown, best)
    taken.boxes.append(box)
    taken.lines.append(_line_to(point, box))


def _within(box: Bbox, outer: Bbox) -> bool:
    return bool(outer.x0 <= box.x0 and box.x1 <= outer.x1 and outer.y0 <= box.y0 and box.y1 <= outer.y1)


def _line_to(point: NDArray[np.float64], box: Bbox) -> Path:
    """Return the line from a point towards the middle of a box."""
    from matplotlib.path import Path

    return Path(np.array([point, ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)]))


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
