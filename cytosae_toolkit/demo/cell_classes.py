"""The white-cell classes: a recipe each, after the May-Grünwald-Giemsa picture of the textbooks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.demo.noise import random_offset
from cytosae_toolkit.demo.shapes import Blob, Chain, Shape, Within, random_blob, rough
from cytosae_toolkit.demo.spots import scatter_rods, scatter_spots
from cytosae_toolkit.demo.white_cells import Amounts, Discs, Material, WhiteCell
from cytosae_toolkit.errors import CytosaeError, nearest

Rng = np.random.Generator


def sample_white_cell(cell_class: str, rng: Rng, x: float = 0.0, y: float = 0.0) -> WhiteCell:
    """Draw a white cell of a class.

    Parameters
    ----------
    cell_class : str
        One of `CELL_CLASSES`.
    rng : numpy Generator
        Source of its size, shape and contents.
    x, y : float
        Its middle in µm.

    Returns
    -------
    WhiteCell

    Raises
    ------
    CytosaeError
        If there is no such class; the nearest names are offered.
    """
    if cell_class not in _RECIPES:
        raise CytosaeError(f"There is no cell class {cell_class!r}.", nearest(cell_class, list(_RECIPES)))
    return _RECIPES[cell_class](rng, x, y)


def _neutrophil(rng: Rng, x: float, y: float) -> WhiteCell:
    body = random_blob(rng, 0, 0, rng.uniform(6.3, 7.4), 0.09, 0.06)
    n = int(rng.choice([2, 3, 4, 5], p=[0.15, 0.4, 0.3, 0.15]))
    lobes = _arc(rng, n, body.radius * rng.uniform(0.44, 0.54), sweep=(0.55 + 0.62 * n) * rng.uniform(0.9, 1.15))
    lobes[:, 2] = rng.uniform(1.45, 1.85, n) * {2: 1.35, 3: 1.15, 4: 1.0, 5: 0.9}[n]
    nucleus = rough(rng, Chain(lobes, bridge=0.32, melt=0.45), body, 0.35, 0.16, 1.6)
    return WhiteCell(
        "neutrophil", x, y, _reach(body), body, nucleus,
        cytoplasm=_material(rng, (0.06, 0.20, 0.06, 0.05), 0.10, 1.2),
        chromatin=_material(rng, (0.0, 0.10, 0.30, 1.35), 0.20, 1.1, clumped=0.8),
        dust=_material(rng, (0.0, 0.10, 0.0, 0.09), 1.0, 0.45),
    )  # fmt: skip


def _eosinophil(rng: Rng, x: float, y: float) -> WhiteCell:
    body = random_blob(rng, 0, 0, rng.uniform(6.5, 7.6), 0.10, 0.06)
    n = int(rng.choice([2, 3], p=[0.85, 0.15]))
    lobes = _arc(rng, n, body.radius * rng.uniform(0.40, 0.50), sweep=rng.uniform(1.5, 2.1) * (n / 2) ** 0.6)
    lobes[:, 2] = rng.uniform(2.0, 2.4, n) * (1.0 if n == 2 else 0.8)
    nucleus = rough(rng, Chain(lobes, bridge=0.4, melt=0.8), body, 0.4, 0.18, 1.8)
    spots = scatter_spots(rng, _ring(body, nucleus, 0.30, 0.15), body.radius + 1, 0.98, 0.47, share=0.97)
    return WhiteCell(
        "eosinophil", x, y, _reach(body), body, nucleus,
        cytoplasm=_material(rng, (0.18, 0.40, 0.05, 0.0), 0.15, 1.2),
        chromatin=_material(rng, (0.0, 0.10, 0.35, 1.22), 0.18, 1.2, clumped=0.7),
        granules=Discs(spots, _vary(rng, (1.10, 0.80, 0.0, 0.0)), 0.92),
    )  # fmt: skip


def _basophil(rng: Rng, x: float, y: float) -> WhiteCell:
    body = random_blob(rng, 0, 0, rng.uniform(5.6, 6.8), 0.12, 0.06)
    n = int(rng.choice([2, 3]))
    lobes = _arc(rng, n, body.radius * 0.36, sweep=rng.uniform(1.4, 2.2))
    lobes[:, 2] = rng.uniform(2.0, 2.5, n) * (1.0 if n == 2 else 0.85)
    nucleus = rough(rng, Chain(lobes, bridge=0.9, melt=1.2), body, 0.5, 0.25, 2.0)
    over = Within(body, body, 0.35)
    spots = scatter_spots(rng, over, body.radius + 1, 1.35, 0.55, share=rng.uniform(0.6, 0.85))
    return WhiteCell(
        "basophil", x, y, _reach(body), body, nucleus,
        cytoplasm=_material(rng, (0.05, 0.15, 0.16, 0.14), 0.15, 1.4),
        chromatin=_material(rng, (0.0, 0.15, 0.20, 0.85), 0.14, 1.5, clumped=0.3),
        granules=Discs(spots, _vary(rng, (0.0, 0.20, 1.00, 1.75)), 0.95),
        granules_over_nucleus=True,
    )  # fmt: skip


def _lymphocyte(rng: Rng, x: float, y: float) -> WhiteCell:
    body = random_blob(rng, 0, 0, rng.uniform(4.7, 6.0), 0.08, 0.05)
    inner = random_blob(rng, 0, 0, body.radius * rng.uniform(0.80, 0.88), 0.12, 0.07)
    nucleus = rough(rng, _shifted(rng, inner, body.radius * 0.10), body, 0.25, 0.10, 2.5)
    return WhiteCell(
        "lymphocyte", x, y, _reach(body), body, nucleus,
        cytoplasm=_material(rng, (0.0, 0.0, 0.60, 0.06), 0.10, 1.5),
        chromatin=_material(rng, (0.0, 0.05, 0.50, 1.45), 0.20, 1.5, clumped=1.0),
        halo=0.25,
    )  # fmt: skip


def _monocyte(rng: Rng, x: float, y: float) -> WhiteCell:
    body = random_blob(rng, 0, 0, rng.uniform(7.2, 8.6), 0.30, 0.08)
    lobes = _arc(rng, 5, body.radius * rng.uniform(0.36, 0.44), sweep=rng.uniform(2.3, 3.4))
    lobes[:, 2] = rng.uniform(2.1, 2.7, 5) * np.array([1.0, 0.95, 0.9, 0.95, 1.0]) * rng.uniform(0.95, 1.1)
    nucleus = rough(rng, Chain(lobes, bridge=1.6, melt=1.0), body, 0.7, 0.30, 2.5)
    holes = scatter_spots(rng, _ring(body, nucleus, 0.9, 0.7), body.radius + 1, 2.1, 0.62, share=rng.uniform(0.4, 0.9))
    return WhiteCell(
        "monocyte", x, y, _reach(body), body, nucleus,
        cytoplasm=_material(rng, (0.03, 0.05, 0.38, 0.13), 0.16, 1.0),
        chromatin=_material(rng, (0.0, 0.08, 0.22, 1.00), 0.22, 1.0, clumped=0.2),
        vacuoles=Discs(holes, (0.0, 0.0, 0.05, 0.01), 0.9),
        dust=_material(rng, (0.0, 0.06, 0.0, 0.07), 1.0, 0.4),
    )  # fmt: skip


def _blast(rng: Rng, x: float, y: float) -> WhiteCell:
    body = random_blob(rng, 0, 0, rng.uniform(6.2, 7.8), 0.14, 0.07)
    inner = random_blob(rng, 0, 0, body.radius * rng.uniform(0.78, 0.86), 0.14, 0.07)
    nucleus = rough(rng, _shifted(rng, inner, body.radius * 0.10), body, 0.35, 0.12, 3.0)
    core = Within(inner, body, 1.8)
    spots = scatter_spots(rng, core, body.radius, 2.9, 0.85, share=rng.uniform(0.45, 0.9))[: int(rng.integers(2, 5))]
    return WhiteCell(
        "blast", x, y, _reach(body), body, nucleus,
        cytoplasm=_material(rng, (0.0, 0.0, 0.68, 0.12), 0.10, 1.3),
        chromatin=_material(rng, (0.0, 0.10, 0.12, 0.92), 0.13, 0.75),
        nucleoli=Discs(_at_least_one(spots), (0.0, 0.0, 0.50, 0.42), 0.85),
        halo=0.2,
    )  # fmt: skip


def _atypical_promyelocyte(rng: Rng, x: float, y: float) -> WhiteCell:
    body = random_blob(rng, 0, 0, rng.uniform(7.6, 8.8), 0.18, 0.09)
    nucleus = _folded_nucleus(rng, body)
    ring = _ring(body, nucleus, 0.35, 0.25)
    spots = scatter_spots(rng, ring, body.radius + 1, 1.05, 0.34, share=rng.uniform(0.55, 0.85))
    bundle = bool(rng.random() < 0.45)
    n = int(rng.integers(5, 11)) if bundle else int(rng.integers(2, 6))
    rods = scatter_rods(rng, _ring(body, nucleus, 0.6, 0.35), body.radius, n, bundle)
    return WhiteCell(
        "atypical_promyelocyte", x, y, _reach(body), body, nucleus,
        cytoplasm=_material(rng, (0.02, 0.12, 0.26, 0.16), 0.14, 1.5),
        chromatin=_material(rng, (0.0, 0.10, 0.15, 1.02), 0.16, 0.9, clumped=0.2),
        granules=Discs(spots, _vary(rng, (0.0, 0.55, 0.05, 0.85)), 0.85),
        rods=rods,
    )  # fmt: skip


_RECIPES: dict[str, Callable[[Rng, float, float], WhiteCell]] = {
    "neutrophil": _neutrophil,
    "eosinophil": _eosinophil,
    "basophil": _basophil,
    "lymphocyte": _lymphocyte,
    "monocyte": _monocyte,
    "blast": _blast,
    "atypical_promyelocyte": _atypical_promyelocyte,
}

CELL_CLASSES: tuple[str, ...] = tuple(_RECIPES)
"""The white-cell classes that can be drawn."""


def _material(rng: Rng, amounts: Amounts, contrast: float, grain: float, clumped: float = 0.0) -> Material:
    return Material(_vary(rng, amounts), contrast, grain * rng.uniform(0.85, 1.15), random_offset(rng), clumped)


def _vary(rng: Rng, amounts: Amounts) -> Amounts:
    a, b, c, d = (float(v) for v in np.array(amounts) * np.exp(rng.normal(0, 0.10, 4)))
    return a, b, c, d


def _reach(body: Blob) -> float:
    return body.radius * (1 + sum(abs(c) for c in body.harmonics)) + 0.4


def _arc(rng: Rng, n: int, radius: float, sweep: float) -> NDArray[np.float64]:
    """Return n lobes (x, y, radius 1) along an arc of `sweep` radians, turned at random, float64 [n, 3]."""
    angle = np.linspace(-sweep / 2, sweep / 2, n) + rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.08, n)
    r = radius * rng.uniform(0.85, 1.15, n)
    return np.column_stack([r * np.cos(angle), r * np.sin(angle), np.ones(n)])


def _shifted(rng: Rng, blob: Blob, amount: float) -> Blob:
    dx, dy = rng.normal(0, 0.6 * amount, 2)
    return Blob(blob.x + float(dx), blob.y + float(dy), blob.radius, blob.harmonics)


def _folded_nucleus(rng: Rng, body: Blob) -> Within:
    """Return a butterfly nucleus pushed to one side, leaving room for granules and rods on the other."""
    angle = rng.uniform(0, 2 * np.pi)
    side = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-side[1], side[0]])
    middle = side * body.radius * rng.uniform(0.28, 0.38)
    spread = rng.uniform(2.0, 2.8)
    sizes = rng.uniform(2.9, 3.6, 2)
    lobes = np.array([[*(middle + s * spread * across), r] for s, r in zip((-1, 1), sizes, strict=True)])
    return rough(rng, Chain(lobes, bridge=1.3, melt=0.6), body, 0.4, 0.25, 2.2)


class _Ring:
    """The cytoplasm: inside the body and outside the nucleus, with a margin (µm) to each."""

    def __init__(self, body: Shape, nucleus: Shape, outer: float, inner: float) -> None:
        self.body, self.nucleus, self.outer, self.inner = body, nucleus, np.float32(outer), np.float32(inner)

    def __call__(self, x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
        distance = np.maximum(self.body(x, y) + self.outer, self.inner - self.nucleus(x, y))
        return np.asarray(distance, dtype=np.float32)


def _ring(body: Shape, nucleus: Shape, outer: float, inner: float) -> Shape:
    return _Ring(body, nucleus, outer, inner)


def _at_least_one(spots: NDArray[np.float64]) -> NDArray[np.float64]:
    return spots if len(spots) else np.array([[0.0, 0.0, 0.9]])
