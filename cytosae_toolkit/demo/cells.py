"""Single-cell pictures: a white cell among red cells, and its photographs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.demo.canvas import Canvas, View
from cytosae_toolkit.demo.cell_classes import sample_white_cell
from cytosae_toolkit.demo.laboratories import LABORATORIES, Laboratory, find_laboratory, jitter
from cytosae_toolkit.demo.masks import Bools
from cytosae_toolkit.demo.photograph import expose
from cytosae_toolkit.demo.red_cells import (
    Platelet,
    RedCell,
    paint_platelet,
    paint_red_cell,
    scatter_platelets,
    scatter_red_cells,
)
from cytosae_toolkit.demo.white_cells import WhiteCell, paint_white_cell

FIELD_OF_VIEW = 25.0
"""Width of a single-cell picture in µm."""


@dataclass(frozen=True)
class Scene:
    """What lies on the slide, in µm, before anyone looks: painted in the order red, platelets, white."""

    red_cells: list[RedCell] = field(default_factory=list)
    platelets: list[Platelet] = field(default_factory=list)
    white_cells: list[WhiteCell] = field(default_factory=list)


@dataclass(frozen=True)
class GeneratedCell:
    """A generated single-cell picture.

    Attributes
    ----------
    image : uint8 array [H, W, 3]
        RGB.
    masks : dict of str to bool array [H, W]
        See `cytosae_toolkit.demo.masks.MASKS` for which overlap.
    label : str
        The class of the cell in the middle.
    laboratory : str
        Name of the laboratory.
    view : View
        What the camera sees: pixels per µm, shift, rotation.
    planted : tuple of str
        Faults that were planted.
    """

    image: NDArray[np.uint8]
    masks: dict[str, Bools]
    label: str
    laboratory: str
    view: View
    planted: tuple[str, ...] = ()


def generate_cell(
    cell_class: str,
    rng: np.random.Generator,
    *,
    laboratory: str | Laboratory | None = None,
    size: int = 128,
    planted: tuple[str, ...] = (),
) -> GeneratedCell:
    """Generate one single-cell picture.

    Parameters
    ----------
    cell_class : str
        One of `CELL_CLASSES`.
    rng : numpy Generator
        Source of everything random.
    laboratory : str or Laboratory, optional
        Who stains and photographs; drawn at random where it is left out.
    size : int
        Width and height in pixels; 25 µm whatever the size.
    planted : tuple of str
        Faults to plant; see `cytosae_toolkit.demo.faults`.

    Returns
    -------
    GeneratedCell

    Raises
    ------
    CytosaeError
        If there is no such class or laboratory.
    """
    scene = sample_cell_scene(cell_class, rng)
    name = list(LABORATORIES)[rng.integers(len(LABORATORIES))] if laboratory is None else laboratory
    return photograph_cell(scene, rng, laboratory=name, size=size, planted=planted)


def sample_cell_scene(cell_class: str, rng: np.random.Generator) -> Scene:
    """Draw a white cell, off-centre by up to about 10 % of the picture, and its surroundings."""
    shift = np.clip(rng.normal(0, 0.045, 2), -0.1, 0.1) * FIELD_OF_VIEW
    cell = sample_white_cell(cell_class, rng, float(shift[0]), float(shift[1]))
    obstacles = np.array([[cell.x, cell.y, cell.radius - 0.6]])
    extent = (FIELD_OF_VIEW * 0.68, FIELD_OF_VIEW * 0.68)
    red = scatter_red_cells(rng, extent, obstacles, density=float(rng.uniform(0.45, 0.95)))
    platelets = scatter_platelets(rng, extent, obstacles, per_area=1.0)
    return Scene(red, platelets, [cell])


def photograph_cell(
    scene: Scene,
    rng: np.random.Generator,
    *,
    laboratory: str | Laboratory,
    size: int = 128,
    again: bool = False,
    planted: tuple[str, ...] = (),
) -> GeneratedCell:
    """Photograph a single-cell scene.

    Parameters
    ----------
    scene : Scene
        From `sample_cell_scene`; two photographs of one scene show the same cell.
    rng : numpy Generator
        Source of what differs between photographs: stain, light, focus, noise.
    laboratory : str or Laboratory
        Who stains and photographs.
    size : int
        Width and height in pixels.
    again : bool
        A re-photograph: the slide was also shifted by up to 1.2 µm and turned by up to 12 degrees.
    planted : tuple of str
        Faults to plant.

    Returns
    -------
    GeneratedCell
    """
    lab = jitter(_laboratory(laboratory), rng)
    view = View(size, size, size / FIELD_OF_VIEW)
    if again:
        dx, dy = rng.uniform(-1.2, 1.2, 2)
        view = View(size, size, view.scale, float(dx), float(dy), float(rng.uniform(-0.21, 0.21)))
    canvas = paint(scene, view)
    image = expose(canvas, lab, rng, planted)
    return GeneratedCell(image, canvas.masks, scene.white_cells[0].label, lab.name, view, planted)


def paint(scene: Scene, view: View) -> Canvas:
    """Paint a scene as a camera sees it, without colour: pigments and masks."""
    canvas = Canvas(view)
    for red in scene.red_cells:
        paint_red_cell(canvas, red)
    for platelet in scene.platelets:
        paint_platelet(canvas, platelet)
    for white in scene.white_cells:
        paint_white_cell(canvas, white)
    return canvas


def _laboratory(lab: str | Laboratory) -> Laboratory:
    return lab if isinstance(lab, Laboratory) else find_laboratory(lab)
