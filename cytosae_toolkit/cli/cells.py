"""``cells``: find the white cells of smear fields and crop them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    ForceOption,
    JsonOption,
    QuietOption,
    note,
    print_json,
    say,
    warn,
)

if TYPE_CHECKING:
    from cytosae_toolkit.images.cell_folder import CellFolder, FieldOfCells


def register(app: typer.Typer) -> None:
    """Add ``cells`` to the program."""
    app.command("cells")(cells)


def cells(
    fields: Annotated[list[Path], typer.Argument(metavar="FIELD…", help="Images of smear fields, or folders.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    like: Annotated[
        Path | None, typer.Option(metavar="RUN|ATLAS", help="Crop as wide as the images that this was trained on.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0, max=10, help="Space about a cell, as a share of its side; default 0.25.")
    ] = None,
    red_cell_diameter: Annotated[
        float | None, typer.Option(min=1, metavar="PX", help="Scale: a red cell (7.5 µm) in pixels.")
    ] = None,
    pixel_size: Annotated[
        float | None, typer.Option(min=0.001, metavar="UM", help="Scale: micrometres per pixel.")
    ] = None,
    keep_border: Annotated[bool, typer.Option("--keep-border", help="Keep cells that the border cuts.")] = False,
    force: ForceOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Find the white cells of smear fields, crop them, and write an image table that every command reads.

    The scale is taken from the file where it tells, or else from the size of the red cells. Look at the overviews
    before you rely on the cells: the finder sees stain and size, not kinds of cells.
    """
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.errors import CytosaeError
    from cytosae_toolkit.images.cell_folder import CropOptions, check_out, write_cells

    if like is not None and margin is not None:
        raise CytosaeError("--like and --margin both set the width of the crops.", "Give one of them.")
    if red_cell_diameter is not None and pixel_size is not None:
        raise CytosaeError("--red-cell-diameter and --pixel-size both set the scale.", "Give one of them.")
    check_out(out, force=force)
    options = CropOptions(
        margin=0.25 if margin is None else margin,
        cell_share=None if like is None else _cell_share(like),
        red_cell_diameter=red_cell_diameter,
        pixel_size=pixel_size,
        keep_border=keep_border,
    )
    found = write_cells(fields, out, options, force=force, progress=progress_for(quiet))
    for item in found.skipped:
        warn(f"Skipped {item.path}: {item.reason}.")
    if json:
        print_json(_summary(found))
    else:
        _show(found)


def _cell_share(source: Path) -> float:
    """Return the share of a training image that its cell covers, as the run recorded it."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.errors import CytosaeError
    from cytosae_toolkit.training.image_fit import ImageFit
    from cytosae_toolkit.training.run import Run, is_run

    run = Run(source) if source.is_dir() and is_run(source) else open_atlas(source).run
    fit = ImageFit.of_run(run)
    if fit is None or fit.cell_size is None:
        raise CytosaeError(
            f"{source} does not tell how wide its training images were.", "Leave --like out and set --margin."
        )
    return fit.cell_size


def _summary(found: CellFolder) -> dict[str, Any]:
    return {
        "out": found.out,
        "table": found.out / "cells.csv",
        "n_cells": found.n_cells,
        "fields": [_field(field) for field in found.fields],
        "skipped": found.skipped,
    }


def _field(field: FieldOfCells) -> dict[str, Any]:
    return {
        "path": field.path,
        "n_cells": len(field.cells),
        "n_cut": len(field.cut),
        "red_cell_diameter": field.red_cell_diameter,
        "scale_is_certain": field.scale_is_certain,
    }


def _show(found: CellFolder) -> None:
    for field in found.fields:
        cut = f", {len(field.cut)} cut by the border left out" if field.cut else ""
        scale = f"red cells {field.red_cell_diameter:.0f} pixels wide"
        say(f"{field.path.name}: {_count(len(field.cells), 'cell')}{cut} ({scale})")
        if not field.scale_is_certain:
            warn(
                f"{field.path.name} shows too few red cells to tell its scale; look at its overview, or give "
                "--red-cell-diameter."
            )
    say(f"{_count(found.n_cells, 'cell')} of {_count(len(found.fields), 'field')}: {found.out / 'cells.csv'}")
    note(f"Check the finds: {found.out / 'overviews'}")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
