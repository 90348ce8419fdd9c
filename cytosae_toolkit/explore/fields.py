"""A smear field explained: by the cells that are found in it (the default), or by windows that slide over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cytosae_toolkit.explore.box_summary import BoxSummary
from cytosae_toolkit.explore.explanation import (
    TABLE,
    atlas_maximum,
    check_folder,
    title_of,
    write_explanation,
    write_heatmaps,
    write_table,
)
from cytosae_toolkit.explore.field_cells import FieldCells, find_field_cells
from cytosae_toolkit.explore.image import LoadedImage, check_latent
from cytosae_toolkit.explore.request import picture_size
from cytosae_toolkit.explore.windows import FieldMap, FieldPixels, Window, field_picture, read_boxes, slide
from cytosae_toolkit.files import atomic_folder
from cytosae_toolkit.progress import SILENT, Progress, no_step

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.images.red_cell_size import RedCellSize
    from cytosae_toolkit.images.windows import Field

FIELD_FACTOR = 1.5
"""An image counts as a field if its longer side exceeds that of every training image by this factor."""
OVERVIEW = "overview.png"


@dataclass(frozen=True, eq=False)
class FieldExplanation:
    """What was found in a field.

    Parameters
    ----------
    what : str
        ``"cells"`` or ``"windows"``.
    shape : (int, int)
        Height and width of the field, pixels.
    n_boxes : int
        How many cells or windows.
    n_unlike : int
        How many of those looked at are unlike the training images.
    table : DataFrame
        Latents of the field, as `BoxSummary.table`, with what the atlas knows.
    scale : RedCellSize or None
        Red cells in pixels, by which the cells were found; None for windows.
    n_cut : int
        Cells left out because the border cuts them.
    """

    what: str
    shape: tuple[int, int]
    n_boxes: int
    n_unlike: int
    table: pd.DataFrame
    scale: RedCellSize | None = None
    n_cut: int = 0


def looks_like_field(explorer: Explorer, path: Path) -> tuple[int, float] | None:
    """Return the longer side of an image and of the largest training image, pixels, if it looks like a field.

    None for an image like a training image, or where the run does not know how large those were. Only headers are
    read, and a TIFF may be of any size.
    """
    usual, longest = explorer.image_fit, max(picture_size(path))
    if usual is None or not usual.side or longest <= FIELD_FACTOR * usual.side[1]:
        return None
    return longest, usual.side[1]


def load_boxes(explorer: Explorer, field: FieldPixels, boxes: Sequence[Window]) -> Iterator[LoadedImage]:
    """Yield boxes of a field, such as the cells found in it, each as a loaded image of its own."""
    for part, pixels in read_boxes(field, boxes):
        yield from explorer.read_all(pixels, [f"box {' '.join(map(str, box))}" for box in part])


def explain_cells(
    explorer: Explorer,
    field: Field,
    *,
    latents: Sequence[int] = (),
    top: int | None = 10,
    everywhere: bool = False,
    red_cell_diameter: float | None = None,
    pixel_size: float | None = None,
    out: Path | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> FieldExplanation:
    """Find the white cells of a field, crop them as the training images were, and say which latents they show.

    The crops are squares of one size, in which the median cell covers the share that training cells cover.

    Parameters
    ----------
    explorer : Explorer
        With the run.
    field : Field
        As `cytosae_toolkit.images.windows.open_field` returns it; large ones are searched in tiles.
    latents, top, everywhere
        Which latents; see `cytosae_toolkit.explore.explanation.latent_table`.
    red_cell_diameter : float, optional
        Scale of the field: a red cell (7.5 µm) in pixels.
    pixel_size : float, optional
        Scale of the field: micrometres per pixel. Without either, what the file tells, or else estimated.
    out : Path, optional
        Folder for the table, an overview of the field with numbered cells, and one explanation per cell,
        ``cell-001/…``; cells are numbered as `cytosae_toolkit.images.cell_folder.write_cells` numbers them.
    force : bool
        Replace an explanation that exists.
    progress : Progress
        Where to report.

    Raises
    ------
    CytosaeError
        If no cell is found.
    """
    found = find_field_cells(explorer, field, red_cells(field, red_cell_diameter, pixel_size))
    summary = BoxSummary(explorer)
    with progress.task("Reading cells", len(found.boxes), "cells") as task:
        for image in load_boxes(explorer, field, found.boxes):
            summary.add(image)
            task.advance(1)
    table = summary.table(latents=_checked(explorer, latents), top=top, everywhere=everywhere)
    if out is not None:
        _write_cells(out, explorer, field, found, table, force, progress)
    described = explorer.describe(table)
    return FieldExplanation(
        "cells", _size(field), len(found.boxes), summary.n_unlike, described, found.scale, len(found.cut)
    )


def red_cells(field: Field, red_cell_diameter: float | None, pixel_size: float | None) -> RedCellSize:
    """Return the scale of a field: as given, or what the file tells, or else estimated."""
    from cytosae_toolkit.images.field_cells import field_scale
    from cytosae_toolkit.images.red_cell_size import RED_CELL_UM, RedCellSize

    if red_cell_diameter is not None:
        return RedCellSize(red_cell_diameter, float("inf"))
    if pixel_size is not None:
        return RedCellSize(RED_CELL_UM / pixel_size, float("inf"))
    size = field_scale(field)
    return size if np.isinf(size.certainty) else size._replace(diameter=max(5.0, size.diameter))


def cell_boxes(
    explorer: Explorer, field: Field, scale: RedCellSize, on_step: Callable[[], object] = no_step
) -> list[Window]:
    """Find the cells of a field, those at its border too; see `cytosae_toolkit.explore.field_cells`."""
    return list(find_field_cells(explorer, field, scale, keep_border=True, on_step=on_step).boxes)


def _write_cells(
    out: Path,
    explorer: Explorer,
    field: Field,
    found: FieldCells,
    table: pd.DataFrame,
    force: bool,
    progress: Progress,
) -> None:
    """Write the table of the field, the boxes, and for each cell an explanation by the same latents."""
    from cytosae_toolkit.images.cell_overview import draw_overview

    check_folder(out, force=force)
    task_name, scales = "Writing explanations", {int(str(s)): float(value) for s, value in table["max"].items()}
    with atomic_folder(out, replace=force) as folder, progress.task(task_name, len(found.boxes), "cells") as task:
        write_table(folder / TABLE, explorer.describe(table))
        draw_overview(field, found.cells, found.cut).save(folder / OVERVIEW)
        unlike = []
        for number, image in enumerate(load_boxes(explorer, field, found.boxes), 1):
            on_image = image.codes.table(explorer.threshold).reindex(table.index, fill_value=0)
            on_image.loc[on_image["max"] == 0, "peak"] = -1
            write_explanation(folder / f"cell-{number:03d}", explorer, image, on_image, scales=scales)
            unlike.append(bool(image.unlike))
            task.advance(1)
        write_table(folder / "cells.csv", _numbered(found.boxes, "cell").assign(unlike=unlike))


def _numbered(boxes: Sequence[Window], name: str) -> pd.DataFrame:
    numbers = pd.RangeIndex(1, len(boxes) + 1, name=name)
    return pd.DataFrame(list(boxes), columns=["x0", "y0", "x1", "y1"], index=numbers)


def explain_windows(
    explorer: Explorer,
    field: FieldPixels,
    windows: Sequence[Window],
    *,
    latents: Sequence[int] = (),
    top: int | None = 10,
    everywhere: bool = False,
    out: Path | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> FieldExplanation:
    """Slide a window over a field and say which latents it shows; approximate, see `cytosae_toolkit.explore.windows`.

    All windows count, one after the other; with `out` the heat maps of the latents are then blended from a second pass.

    Parameters
    ----------
    explorer, field, latents, top, everywhere, out, force, progress
        As in `explain_cells`; the field is read window by window.
    windows : sequence of (x0, y0, x1, y1)
        Boxes of pixels that cover the field.
    """
    summary = BoxSummary(explorer)
    with progress.task("Reading windows", len(windows), "windows") as task:
        for image in load_boxes(explorer, field, windows):
            summary.add(image)
            task.advance(1)
    table = summary.table(latents=_checked(explorer, latents), top=top, everywhere=everywhere)
    if out is not None and len(table):
        check_folder(out, force=force)
        maps = slide(explorer, field, windows, table.index.tolist(), progress=progress)
        _write_field(out, explorer, field, windows, maps, explorer.describe(table), force)
    return FieldExplanation("windows", _size(field), len(windows), summary.n_unlike, explorer.describe(table))


def _write_field(
    out: Path,
    explorer: Explorer,
    field: FieldPixels,
    windows: Sequence[Window],
    maps: FieldMap,
    table: pd.DataFrame,
    force: bool,
) -> None:
    from cytosae_toolkit.figures.attribution import faded, overlay
    from cytosae_toolkit.figures.style import save_figure

    picture = faded(field_picture(field))  # small spots of activation are lost among stained cells
    with atomic_folder(out, replace=force) as folder:
        write_table(folder / TABLE, table)
        write_table(folder / "windows.csv", _numbered(windows, "window"))
        write_heatmaps(folder / "heatmaps", dict(zip(maps.latents, maps.maps, strict=True)))
        (folder / "overlays").mkdir()
        for place, latent in enumerate(maps.latents):
            heat, boxes = maps.for_picture(place, picture.shape)
            title = f"{title_of(explorer, latent)} (approximate)"
            figure = overlay(picture, heat, boxes, title=title, largest=atlas_maximum(explorer, latent))
            save_figure(figure, folder / "overlays" / f"latent-{latent:05d}.png")


def _size(field: FieldPixels) -> tuple[int, int]:
    height, width = field.shape[:2]
    return int(height), int(width)


def _checked(explorer: Explorer, latents: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(check_latent(latent, explorer.d_sae) for latent in latents))
