"""Heat maps that leave the viewer as numbers, and where they lie in the world; no Qt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.explore.heat import Heat
    from napari_cytosae._pixels import Picture

_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "pixel": "pixel"}
_STRAIGHT = 1e-9
"""Relative to the size of a cell: what is further off the axes is turned or sheared."""


@dataclass(frozen=True, eq=False)
class World:
    """Where the cells of a heat map lie.

    Parameters
    ----------
    affine : float64 array [3, 3]
        From ``row, column, 1`` of a cell to ``y, x, 1`` of its centre in the world: the whole transform of the layer,
        with rotation, shear and whatever else it has.
    unit : str
        Of the world, as napari calls it, such as ``"micrometer"``.
    """

    affine: NDArray[np.float64]
    unit: str = "pixel"

    @property
    def size(self) -> tuple[float, float]:
        """Height and width of a cell."""
        height, width = np.hypot(*self.affine[:2, :2]).tolist()
        return height, width

    @property
    def first(self) -> tuple[float, float]:
        """Centre ``y, x`` of the first cell."""
        y, x = self.affine[:2, 2].tolist()
        return y, x

    @property
    def straight(self) -> bool:
        """Whether size and place say everything: the map is not turned, sheared or mirrored."""
        return bool(np.allclose(self.affine[:2, :2], np.diag(self.size), rtol=0, atol=_STRAIGHT * max(self.size)))


def world_of(picture: Picture | None, heat: Heat) -> World:
    """Return where a heat map lies: in the world of the picture's layer, in pixels if there is none."""
    corners = np.array([[0, 0], [1, 0], [0, 1]], dtype=np.float64)  # row, column
    pixels = np.asarray(heat.origin) + (corners + 0.5) * np.asarray(heat.cell)
    if picture is None:
        return World(_affine(pixels - 0.5))
    layer, axes = picture.layer, list(picture.frame.axes)
    points = np.array([np.asarray(layer.data_to_world(point))[axes] for point in picture.frame.data(pixels)])
    return World(_affine(points), str(layer.units[axes[1]]))


def _affine(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix that takes (0, 0), (1, 0) and (0, 1) to three points, [3, 2]."""
    found = np.eye(3)
    found[:2, 0], found[:2, 1], found[:2, 2] = points[1] - points[0], points[2] - points[0], points[0]
    return found


@dataclass(frozen=True)
class Concept:
    """A channel of a file.

    Parameters
    ----------
    latent : int
        Which.
    name : str
        As on screen.
    full_scale : float
        Activation of full colour.
    colour : str
        Of full strength, such as ``"#E69F00"``.
    """

    latent: int
    name: str
    full_scale: float
    colour: str


@dataclass(frozen=True)
class About:
    """What a file of heat maps shows.

    Parameters
    ----------
    concepts : tuple of Concept
        Channel by channel.
    picture : str
        Over which picture.
    kind : str
        How the picture was read: ``"cell"``, ``"cells"``, ``"boxes"`` or ``"windows"``.
    """

    concepts: tuple[Concept, ...]
    picture: str
    kind: str

    def as_record(self, world: World) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "concepts": [vars(concept) for concept in self.concepts], "picture": self.picture, "kind": self.kind,
            "values": "activation", "affine": world.affine.tolist(), "unit": world.unit,
            "affine_maps": "row, column, 1 of a cell to y, x, 1 of its centre",
            "note": "For research use only.",
        }  # fmt: skip


def write_heat_tiff(path: Path, heats: Sequence[Heat], about: About, world: World) -> None:
    """Write heat maps as OME-TIFF, float32 [concepts, rows, columns]: a pixel per cell of the map.

    Size and place of the cells stand where OME has them; ``affine`` in the description (JSON) says all.

    Parameters
    ----------
    path : Path
        File to write.
    heats : sequence of Heat
        On one grid, one for each of ``about.concepts``.
    about : About
        What they show.
    world : World
        Where they lie.

    Raises
    ------
    CytosaeError
        If the folder cannot be written.
    """
    import tifffile

    from cytosae_toolkit.files import atomic_path

    size, first, n = world.size, world.first, len(heats)
    unit = _UNITS.get(world.unit, world.unit)
    metadata: dict[str, Any] = {
        "axes": "CYX", "Name": about.picture, "Channel": {"Name": [concept.name for concept in about.concepts]},
        "Description": json.dumps(about.as_record(world), ensure_ascii=False),
        "PhysicalSizeY": size[0], "PhysicalSizeX": size[1], "PhysicalSizeYUnit": unit, "PhysicalSizeXUnit": unit,
        "Plane": {
            "PositionY": [first[0]] * n, "PositionX": [first[1]] * n, "PositionYUnit": [unit] * n,
            "PositionXUnit": [unit] * n,
        },
    }  # fmt: skip
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, _stacked(heats), ome=True, photometric="minisblack", metadata=metadata)


def write_heat_zarr(path: Path, heats: Sequence[Heat], about: About, world: World) -> None:
    """Write heat maps as OME-Zarr 0.5, float32 [concepts, rows, columns]; replaces a Zarr folder, nothing else.

    OME-Zarr 0.5 knows size and place of the cells; ``affine`` in the attributes ``cytosae`` says all.

    Parameters
    ----------
    path : Path
        Folder to write.
    heats : sequence of Heat
        On one grid, one for each of ``about.concepts``.
    about : About
        What they show.
    world : World
        Where they lie.

    Raises
    ------
    CytosaeError
        If something else is there, or the folder cannot be written.
    """
    import zarr

    from cytosae_toolkit.files import atomic_folder

    if path.exists() and not (path / "zarr.json").is_file():
        raise CytosaeError(f"{path} exists and is no Zarr.", "Choose another name.")
    with atomic_folder(path, replace=True) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3)
        group.create_array("0", data=_stacked(heats), dimension_names=["c", "y", "x"])
        group.attrs["ome"] = _ome(about, world)
        group.attrs["cytosae"] = about.as_record(world)


def _stacked(heats: Sequence[Heat]) -> NDArray[np.float32]:
    return np.stack([heat.values for heat in heats]).astype(np.float32)


def _ome(about: About, world: World) -> dict[str, Any]:
    axes: list[dict[str, str]] = [{"name": name, "type": "space"} for name in "yx"]
    for axis in axes if world.unit != "pixel" else ():
        axis["unit"] = world.unit
    transformations = [
        {"type": "scale", "scale": [1.0, *world.size]},
        {"type": "translation", "translation": [0.0, *world.first]},
    ]
    image = {
        "name": about.picture,
        "axes": [{"name": "c", "type": "channel"}, *axes],
        "datasets": [{"path": "0", "coordinateTransformations": transformations}],
    }
    return {"version": "0.5", "multiscales": [image], "omero": {"channels": [_channel(c) for c in about.concepts]}}


def _channel(concept: Concept) -> dict[str, Any]:
    window = {"min": 0.0, "max": concept.full_scale, "start": 0.0, "end": concept.full_scale}
    return {"label": concept.name, "color": concept.colour.lstrip("#"), "active": True, "window": window}
