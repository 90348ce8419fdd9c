"""Files that leave the viewer: heat maps with their scale, tables, montages; no Qt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.explore.scene import Heat
    from napari_cytosae._session import Session

_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "pixel": "pixel"}
MONTAGE_IMAGES = 8


@dataclass(frozen=True)
class Scaled:
    """How a picture lies in the world.

    Parameters
    ----------
    scale : (float, float)
        Height and width of a pixel.
    translate : (float, float)
        ``y, x`` of the centre of the upper left pixel.
    unit : str
        As napari calls it, such as ``"micrometer"``.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    translate: tuple[float, float] = (0.0, 0.0)
    unit: str = "pixel"

    def of_heat(self, heat: Heat) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the size of a map's cell, and the centre of its first one, ``y, x`` in the world."""
        size = tuple(float(cell * step) for cell, step in zip(heat.cell, self.scale, strict=True))
        first = tuple(
            float(at + step * (origin + cell / 2 - 0.5))
            for at, step, origin, cell in zip(self.translate, self.scale, heat.origin, heat.cell, strict=True)
        )
        return (size[0], size[1]), (first[0], first[1])


@dataclass(frozen=True)
class About:
    """What a heat map shows.

    Parameters
    ----------
    latent : int
        Which.
    name : str
        As on screen.
    picture : str
        Over which picture.
    full_scale : float
        Activation of full colour.
    kind : str
        How the picture was read: ``"cell"``, ``"cells"``, ``"boxes"`` or ``"windows"``.
    """

    latent: int
    name: str
    picture: str
    full_scale: float
    kind: str

    def as_record(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**vars(self), "values": "activation", "note": "For research use only."}


def write_heat_tiff(path: Path, heat: Heat, about: About, scaled: Scaled) -> None:
    """Write a heat map as OME-TIFF, float32: one pixel per cell of the map, with its size and place.

    Raises
    ------
    CytosaeError
        If the folder cannot be written.
    """
    import tifffile

    from cytosae_toolkit.files import atomic_path

    size, first = scaled.of_heat(heat)
    unit = _UNITS.get(scaled.unit, scaled.unit)
    metadata: dict[str, Any] = {
        "axes": "YX", "Name": about.name, "Description": json.dumps(about.as_record(), ensure_ascii=False),
        "PhysicalSizeY": size[0], "PhysicalSizeX": size[1], "PhysicalSizeYUnit": unit, "PhysicalSizeXUnit": unit,
        "Plane": {
            "PositionY": [first[0]], "PositionX": [first[1]], "PositionYUnit": [unit], "PositionXUnit": [unit],
        },
    }  # fmt: skip
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, heat.values.astype(np.float32), ome=True, metadata=metadata)


def write_heat_zarr(path: Path, heat: Heat, about: About, scaled: Scaled) -> None:
    """Write a heat map as OME-Zarr 0.5, float32 [rows, columns]; takes the place of a Zarr folder, of nothing else.

    Raises
    ------
    CytosaeError
        If something else is there, or the folder cannot be written.
    """
    import zarr

    from cytosae_toolkit.files import atomic_folder

    if path.exists() and not (path / "zarr.json").is_file():
        raise CytosaeError(f"{path} exists and is no Zarr.", "Choose another name.")
    size, first = scaled.of_heat(heat)
    transformations = [{"type": "scale", "scale": list(size)}, {"type": "translation", "translation": list(first)}]
    axes: list[dict[str, str]] = [{"name": name, "type": "space"} for name in "yx"]
    for axis in axes if scaled.unit != "pixel" else ():
        axis["unit"] = scaled.unit
    image: dict[str, Any] = {
        "name": about.name,
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": transformations}],
    }
    with atomic_folder(path, replace=True) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3)
        group.create_array("0", data=heat.values.astype(np.float32), dimension_names=["y", "x"])
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
        group.attrs["cytosae"] = about.as_record()


def concept_table(session: Session) -> pd.DataFrame:
    """Return the concepts of the picture that was read, else of the atlas, as lists show them: without hidden ones.

    Raises
    ------
    CytosaeError
        If neither a picture nor an atlas is open.
    """
    if session.scene is not None and session.explorer is not None:
        found = session.scene.latents(hide_everywhere=session.hide_everywhere)
        return session.visible(session.explorer.describe(found)).rename_axis("latent")
    if session.atlas is None:
        raise CytosaeError("There is no table to save.", "Open an atlas.")
    return session.visible(session.atlas.latents).rename_axis("latent")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, UTF-8, safe for spreadsheets.

    Raises
    ------
    CytosaeError
        If the folder cannot be written.
    """
    from cytosae_toolkit.atlas.names_csv import escape_cell
    from cytosae_toolkit.files import write_text

    safe = table.copy()
    for column in safe.columns:
        if safe[column].dtype.kind not in "biuf":
            safe[column] = [escape_cell(value) if isinstance(value, str) else value for value in safe[column]]
    write_text(path, safe.to_csv(float_format="%.6g"))


def write_montage(path: Path, atlas: Atlas, latents: Sequence[int]) -> None:
    """Write the reference images of latents as a figure: PNG, PDF or SVG by its suffix.

    Raises
    ------
    CytosaeError
        If the atlas has no images, or the folder cannot be written.
    """
    from cytosae_toolkit.figures.montage import latent_montage
    from cytosae_toolkit.files import atomic_path

    figure = latent_montage(atlas, latents, limit=MONTAGE_IMAGES)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".").lower(), dpi=200)
