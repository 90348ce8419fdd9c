"""A white cell as drawn by its class's recipe, and how it is painted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.spatial
from numpy.typing import NDArray

from cytosae_toolkit.demo.canvas import Canvas, Window
from cytosae_toolkit.demo.noise import Floats, smooth_noise
from cytosae_toolkit.demo.shapes import Shape, segment_distance

Amounts = tuple[float, float, float, float]
"""Haemoglobin, eosin, azure and purple."""

NO_DISCS: NDArray[np.float64] = np.zeros((0, 3))
NO_RODS: NDArray[np.float64] = np.zeros((0, 5))


@dataclass(frozen=True)
class Material:
    """Pigment with texture.

    Attributes
    ----------
    amounts : 4 floats
        Mean amount of each pigment.
    contrast : float
        Relative strength of the texture.
    grain : float
        Size of the texture's blobs in µm.
    offset : (float, float)
        Place on the noise plane.
    clumped : float
        0 leaves the texture smooth, 1 sharpens it into dark clumps and light gaps.
    """

    amounts: Amounts
    contrast: float = 0.0
    grain: float = 1.0
    offset: tuple[float, float] = (0.0, 0.0)
    clumped: float = 0.0


@dataclass(frozen=True)
class Discs:
    """Granules, vacuoles or nucleoli: round spots (float64 [n, 3]: x, y, radius in µm) of one pigment."""

    spots: NDArray[np.float64] = field(default_factory=lambda: NO_DISCS)
    amounts: Amounts = (0.0, 0.0, 0.0, 0.0)
    opacity: float = 1.0


@dataclass(frozen=True)
class WhiteCell:
    """One white cell; all shapes are relative to its middle (x, y) in µm.

    Attributes
    ----------
    label : str
        Its class.
    x, y, radius : float
        Middle and a radius that contains it, µm.
    body, nucleus : Shape
        Outlines of the cell and its nucleus.
    cytoplasm, chromatin : Material
        What they are made of.
    granules, vacuoles, nucleoli : Discs
        Spots in the cytoplasm and in the nucleus.
    dust : Material
        Granules too fine to be told apart (all amounts 0: none).
    rods : float array [n, 5]
        Auer rods: start x, y, end x, y, half width in µm.
    granules_over_nucleus : bool
        Whether granules also lie over the nucleus (basophil).
    halo : float
        Brightening of the cytoplasm beside the nucleus, 0-1.
    """

    label: str
    x: float
    y: float
    radius: float
    body: Shape
    nucleus: Shape
    cytoplasm: Material
    chromatin: Material
    granules: Discs = field(default_factory=Discs)
    vacuoles: Discs = field(default_factory=Discs)
    nucleoli: Discs = field(default_factory=Discs)
    dust: Material = field(default_factory=lambda: Material((0.0, 0.0, 0.0, 0.0)))
    rods: NDArray[np.float64] = field(default_factory=lambda: NO_RODS)
    granules_over_nucleus: bool = False
    halo: float = 0.0


ROD_AMOUNTS: Amounts = (0.15, 2.0, 0.0, 0.75)
"""Crimson."""


def paint_white_cell(canvas: Canvas, cell: WhiteCell) -> None:
    """Lay a white cell over what is there and mark its parts in the masks.

    Parameters
    ----------
    canvas : Canvas
        The image being painted.
    cell : WhiteCell
        The cell.
    """
    window = canvas.window(cell.x, cell.y, cell.radius)
    if window is None:
        return
    body_distance, nucleus_distance = cell.body(window.x, window.y), cell.nucleus(window.x, window.y)
    layers = _Layers(canvas, window, cell, body_distance, nucleus_distance)
    layers.cytoplasm()
    layers.nucleus()
    layers.granules()
    layers.rods()
    body = canvas.coverage(body_distance, softness=0.15)
    area = canvas.pigments[:, window.rows, window.columns]
    area *= 1 - body
    area += layers.pigments * body
    layers.mark(body_distance < 0)


class _Layers:
    """The pigments of one cell, painted from the cytoplasm up."""

    def __init__(
        self, canvas: Canvas, window: Window, cell: WhiteCell, body_distance: Floats, nucleus_distance: Floats
    ) -> None:
        self.canvas, self.window, self.cell = canvas, window, cell
        self.body_distance, self.nucleus_distance = body_distance, nucleus_distance
        self.pigments: Floats = np.zeros((4, *body_distance.shape), dtype=np.float32)
        self.nucleus_cover = canvas.coverage(nucleus_distance, softness=0.15)
        nothing = np.zeros_like(body_distance)
        self.granule_cover, self.vacuole_cover, self.rod_cover = nothing, nothing, nothing

    def cytoplasm(self) -> None:
        """Fill with cytoplasm: texture, a slightly denser rim, a halo around the nucleus, dust, vacuoles."""
        cell, window = self.cell, self.window
        density = _texture(window, cell.cytoplasm)
        density += np.float32(0.25) * np.exp(-((self.body_distance / np.float32(0.35)) ** 2))
        if cell.halo:
            density *= 1 - np.float32(cell.halo) * np.exp(-np.maximum(self.nucleus_distance, 0) / np.float32(0.8))
        self.pigments += _column(cell.cytoplasm.amounts) * density
        if any(cell.dust.amounts):
            self.pigments += _column(cell.dust.amounts) * np.maximum(_texture(window, cell.dust) - 1, 0)
        if len(cell.vacuoles.spots):
            distance = _spot_distance(window, cell.vacuoles.spots, self.body_distance < 0)
            self.vacuole_cover = self.canvas.coverage(distance, softness=0.2)
            self._blend(self.vacuole_cover, cell.vacuoles)

    def nucleus(self) -> None:
        """Lay the nucleus over the cytoplasm: chromatin, a darker membrane, nucleoli."""
        cell = self.cell
        density = _texture(self.window, cell.chromatin)
        density += np.float32(0.18) * np.exp(-((self.nucleus_distance / np.float32(0.3)) ** 2))
        chromatin = _column(cell.chromatin.amounts) * density
        if len(cell.nucleoli.spots):
            distance = _spot_distance(self.window, cell.nucleoli.spots, self.nucleus_distance < 0)
            cover = self.canvas.coverage(distance, softness=0.4) * np.float32(cell.nucleoli.opacity)
            chromatin += (_column(cell.nucleoli.amounts) - chromatin) * cover
        self.pigments += (chromatin - self.pigments) * self.nucleus_cover

    def granules(self) -> None:
        """Lay the granules over the cytoplasm and, in a basophil, over the nucleus."""
        if not len(self.cell.granules.spots):
            return
        distance = _spot_distance(self.window, self.cell.granules.spots, self.body_distance < 0)
        cover = self.canvas.coverage(distance, softness=0.12)
        if not self.cell.granules_over_nucleus:
            cover = cover * (1 - self.nucleus_cover)
        self.granule_cover = cover * (1 - self.vacuole_cover)
        self._blend(self.granule_cover, self.cell.granules)

    def rods(self) -> None:
        """Lay the Auer rods over the cytoplasm."""
        if not len(self.cell.rods):
            return
        distance = np.full_like(self.body_distance, 1e3)
        for x0, y0, x1, y1, half_width in self.cell.rods:
            start, end = np.array([x0, y0]), np.array([x1, y1])
            one = segment_distance(self.window.x, self.window.y, start, end) - np.float32(half_width)
            distance = np.minimum(distance, one)
        self.rod_cover = self.canvas.coverage(distance) * (1 - self.nucleus_cover)
        self._blend(self.rod_cover, Discs(amounts=ROD_AMOUNTS))

    def mark(self, body: NDArray[np.bool_]) -> None:
        """Write what is visible of this cell into the canvas's masks."""
        over = self.granule_cover if self.cell.granules_over_nucleus else np.zeros_like(self.granule_cover)
        nucleus = body & (self.nucleus_distance < 0) & (over <= 0.5)
        cytoplasm = body & ~nucleus
        rods = cytoplasm & (self.rod_cover > 0.5)
        granules = cytoplasm & (self.granule_cover > 0.5) & ~rods
        vacuoles = cytoplasm & (self.vacuole_cover > 0.5) & ~rods & ~granules
        self.canvas.mark(self.window, "nucleus", nucleus)
        self.canvas.mark(self.window, "cytoplasm", cytoplasm)
        for name, part in (("granules", granules), ("vacuoles", vacuoles), ("auer_rods", rods)):
            self.canvas.masks[name][self.window.rows, self.window.columns] |= part

    def _blend(self, cover: Floats, discs: Discs) -> None:
        self.pigments += (_column(discs.amounts) - self.pigments) * (cover * np.float32(discs.opacity))


def _column(amounts: Amounts) -> Floats:
    return np.asarray(amounts, dtype=np.float32)[:, None, None]


def _texture(window: Window, material: Material) -> Floats:
    """Return the relative density of a material at a window's pixels: mean about 1, float32 [h, w]."""
    if not material.contrast:
        return np.ones_like(window.x)
    coarse = smooth_noise(window.x, window.y, material.grain, material.offset)
    fine = smooth_noise(window.y, window.x, material.grain / 2.3, material.offset)
    noise = np.float32(0.8) * coarse + np.float32(0.6) * fine
    if material.clumped:
        noise += (np.float32(1.2) * np.tanh(2 * noise) - noise) * np.float32(material.clumped)
    return np.maximum(1 + np.float32(material.contrast) * noise, 0.1)


def _spot_distance(window: Window, spots: NDArray[np.float64], where: NDArray[np.bool_]) -> Floats:
    """Return the distance (µm) to the edge of the nearest spot at the pixels `where`, 1000 elsewhere."""
    distance = np.full(window.x.shape, 1e3, dtype=np.float32)
    points = np.stack([window.x[where], window.y[where]], axis=1)
    nearest, index = scipy.spatial.cKDTree(spots[:, :2]).query(points)
    distance[where] = nearest - spots[index, 2]
    return distance
