"""The folder that ``cells`` writes: crops of white cells, their image table, an overview of each field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import atomic_folder
from cytosae_toolkit.images.cell_overview import draw_overview
from cytosae_toolkit.images.cells import FoundCell
from cytosae_toolkit.images.decode import Box, UnreadableImage
from cytosae_toolkit.images.field_cells import (
    common_scale,
    crop_boxes,
    field_scale,
    find_cells_of_field,
    side_like,
)
from cytosae_toolkit.images.folders import find_images
from cytosae_toolkit.images.red_cell_size import RED_CELL_UM, RedCellSize
from cytosae_toolkit.images.table import Skipped
from cytosae_toolkit.images.windows import Field, open_field
from cytosae_toolkit.progress import SILENT, Progress

CONTENTS = ("cells.csv", "crops", "overviews")
"""What the folder holds."""


@dataclass(frozen=True)
class CropOptions:
    """How fields are searched and cells cropped.

    Attributes
    ----------
    margin : float
        Space about a cell as a share of its longer side; ignored where `cell_share` is given.
    cell_share : float or None
        Share of a crop that the median cell covers: that of the training images of a run.
    red_cell_diameter, pixel_size : float or None
        Scale of all fields: pixels of a red cell, or µm per pixel; by default from the file, or estimated.
    keep_border : bool
        Keep cells that the border of a field cuts.
    """

    margin: float = 0.25
    cell_share: float | None = None
    red_cell_diameter: float | None = None
    pixel_size: float | None = None
    keep_border: bool = False


@dataclass(frozen=True)
class FieldOfCells:
    """What was found in one field.

    Attributes
    ----------
    path : Path
        The field.
    name : str
        A name unlike that of every other field, fit for files.
    shape : (int, int, int)
        Height, width, 3.
    cells : tuple of FoundCell
        The cells that are kept.
    cut : tuple of FoundCell
        Cells left out because the border cuts them.
    red_cell_diameter : float
        Pixels.
    scale_is_certain : bool
        False where it was estimated from too few red cells.
    """

    path: Path
    name: str
    shape: tuple[int, ...]
    cells: tuple[FoundCell, ...]
    cut: tuple[FoundCell, ...]
    red_cell_diameter: float
    scale_is_certain: bool


@dataclass(frozen=True)
class CellFolder:
    """What `write_cells` wrote.

    Attributes
    ----------
    out : Path
        The folder.
    fields : tuple of FieldOfCells
        In order.
    skipped : tuple of Skipped
        Fields that could not be read.
    """

    out: Path
    fields: tuple[FieldOfCells, ...]
    skipped: tuple[Skipped, ...]

    @property
    def n_cells(self) -> int:
        """Number of crops."""
        return sum(len(field.cells) for field in self.fields)


def list_fields(sources: Sequence[Path]) -> list[Path]:
    """Return the image files that are named, or lie in folders that are named, each once.

    Raises
    ------
    CytosaeError
        One does not exist, or a folder without images.
    """
    found: dict[Path, None] = {}
    for source in sources:
        if source.is_dir():
            found.update((source.absolute() / path, None) for path in find_images(source.absolute()).paths)
        elif source.exists():
            found[source.absolute()] = None
        else:
            raise CytosaeError(f"{source} does not exist.", "Give images of smear fields, or folders of them.")
    return list(found)


def check_out(out: Path, *, force: bool) -> None:
    """Refuse to write over something.

    Raises
    ------
    CytosaeError
        `out` exists, unless it is a folder of cells that may be replaced.
    """
    if not out.exists():
        return
    if not out.is_dir() or any(entry.name not in CONTENTS for entry in out.iterdir()):
        raise CytosaeError(f"{out} exists and holds other things than cells.", "Choose another --out.")
    if not force and any(out.iterdir()):
        raise CytosaeError(f"The folder {out} exists.", "Replace it with --force or choose another --out.")


def write_cells(
    sources: Sequence[Path],
    out: Path,
    options: CropOptions | None = None,
    *,
    force: bool = False,
    progress: Progress = SILENT,
) -> CellFolder:
    """Find the white cells of fields and write crops, an image table and overviews.

    ``cells.csv`` has a row per cell: `path` of the crop and `id`; `group` (the same); `field`, the absolute path;
    `field_x0 … field_y1`, the crop's box in the field; `nuclear_area_px` and `cell_area_px` in pixels of the field;
    `touches_border`; `score` (see `FoundCell`); `red_cell_px`. Every command reads it as an image table.

    Parameters
    ----------
    sources : sequence of Path
        Fields, or folders of them.
    out : Path
        The folder to write; it appears when it is whole.
    options : CropOptions, optional
    force : bool
        Replace a folder that this function wrote.
    progress : Progress

    Raises
    ------
    CytosaeError
        No field can be read, none shows a cell, or `out` is in use.
    """
    options = options or CropOptions()
    check_out(out, force=force)
    fields, skipped = _search(list_fields(sources), options, progress)
    cells = [cell for field in fields for cell in field.cells]
    if not cells:
        raise CytosaeError(_nothing_found(fields, skipped), _hint(fields))
    with (
        atomic_folder(out, replace=out.exists()) as folder,
        progress.task("Writing crops", len(cells), "cells") as task,
    ):
        for name in ("crops", "overviews"):
            (folder / name).mkdir()
        rows: list[dict[str, object]] = []
        for found in fields:
            with open_field(found.path) as field:
                rows += _write_field(folder, field, found, _crops(found, cells, options))
            task.advance(len(found.cells))
        pd.DataFrame(rows).to_csv(folder / "cells.csv", index=False)
    return CellFolder(out, tuple(fields), tuple(skipped))


def _search(
    paths: Sequence[Path], options: CropOptions, progress: Progress
) -> tuple[list[FieldOfCells], list[Skipped]]:
    fields: list[FieldOfCells] = []
    skipped: list[Skipped] = []
    readable: list[Path] = []
    sizes: list[RedCellSize] = []
    shapes: list[tuple[int, ...]] = []
    with progress.task("Finding white cells", 2 * len(paths), "steps") as task:
        for path in paths:
            try:
                with open_field(path) as field:
                    sizes.append(_scale(field, options))
                    shapes.append(field.shape)
                    readable.append(path)
            except UnreadableImage as error:
                skipped.append(Skipped(str(path), error.reason))
            task.advance()
        names = _names(readable)
        diameters = common_scale(sizes, shapes)
        for path, name, size, diameter in zip(readable, names, sizes, diameters, strict=True):
            with open_field(path) as field:
                cells = find_cells_of_field(field, red_cell_diameter=diameter)
                kept = tuple(cell for cell in cells if options.keep_border or not cell.touches_border)
                cut = tuple(cell for cell in cells if cell not in kept)
                certain = size.is_certain or diameter != size.diameter
                fields.append(FieldOfCells(path, name, field.shape, kept, cut, diameter, certain))
            task.advance()
    return fields, skipped


def _scale(field: Field, options: CropOptions) -> RedCellSize:
    if options.red_cell_diameter is not None:
        return RedCellSize(options.red_cell_diameter, float("inf"))
    if options.pixel_size is not None:
        return RedCellSize(RED_CELL_UM / options.pixel_size, float("inf"))
    return field_scale(field)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return the names of files without suffix, numbered where several are called the same."""
    stems = [path.stem for path in paths]
    taken: set[str] = set()
    for k, stem in enumerate(stems):
        name, n = stem, 1
        while name.casefold() in taken:
            n += 1
            name = f"{stem}-{n}"
        taken.add(name.casefold())
        stems[k] = name
    return stems


def _nothing_found(fields: Sequence[FieldOfCells], skipped: Sequence[Skipped]) -> str:
    if not fields:
        first = skipped[0]
        n = "The field" if len(skipped) == 1 else f"None of {len(skipped)} fields"
        return f"{n} can{'not' if len(skipped) == 1 else ''} be read: {first.path}: {first.reason}."
    n_cut = sum(len(field.cut) for field in fields)
    only = f" but {n_cut} that the border cuts" if n_cut else ""
    return f"No white cell was found in {len(fields)} field{'s' if len(fields) > 1 else ''}{only}."


def _hint(fields: Sequence[FieldOfCells]) -> str:
    if not fields:
        return "Give PNG, JPEG, BMP or TIFF images of stained smears."
    if any(field.cut for field in fields):
        return "Keep those with --keep-border."
    return (
        f"Red cells were taken to be {fields[0].red_cell_diameter:.0f} pixels wide; if that is wrong, give "
        "--red-cell-diameter or --pixel-size. The fields must be stained."
    )


def _crops(found: FieldOfCells, cells: Sequence[FoundCell], options: CropOptions) -> list[Box]:
    side = None
    if options.cell_share is not None:
        side = side_like(cells, options.cell_share, found.red_cell_diameter)
    return crop_boxes(found.cells, found.shape, side=side, margin=options.margin)


def _write_field(folder: Path, field: Field, found: FieldOfCells, boxes: Sequence[Box]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, (cell, box) in enumerate(zip(found.cells, boxes, strict=True), 1):
        name = f"{found.name}-{number:03d}"
        Image.fromarray(field.read_window(*box)).save(folder / "crops" / f"{name}.png")
        corners = dict(zip(("field_x0", "field_y0", "field_x1", "field_y1"), box, strict=True))
        rows.append(
            {"path": f"crops/{name}.png", "id": name, "group": name, "field": str(found.path)}
            | corners
            | {
                "nuclear_area_px": round(cell.nuclear_area, 1),
                "cell_area_px": round(cell.cell_area, 1),
                "touches_border": cell.touches_border,
                "score": round(cell.score, 3),
                "red_cell_px": round(cell.red_cell_diameter, 2),
            }
        )
    draw_overview(field, found.cells, found.cut).save(folder / "overviews" / f"{found.name}.png")
    return rows
