"""``explain``: active latents of an image, a patch, a region or a field, and where they light up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytosae_toolkit.cli.common import (
    DebugOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    OfflineOption,
    QuietOption,
    note,
    print_json,
)
from cytosae_toolkit.cli.explaining import Target, explain_cell, explain_field, explain_image
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.explore.request import Request


def register(app: typer.Typer) -> None:
    """Add ``explain`` to the program."""
    app.command("explain")(explain)


def explain(
    source: Annotated[Path, typer.Argument(metavar="ATLAS|RUN", help="An atlas, or a run folder.")],
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image of a cell, or a smear field.")],
    patch: Annotated[
        str | None, typer.Option(metavar="ROW,COL", help="Explain this patch, from the upper left.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Rank latents by contrast of this box of pixels.")
    ] = None,
    latent: Annotated[list[int] | None, typer.Option(metavar="S", help="Show this latent; repeatable.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many latents.")] = 10,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="Include latents that fire everywhere.")] = False,
    similar: Annotated[
        bool, typer.Option("--similar", help="List images of the atlas that share the latents of image or region.")
    ] = False,
    cell: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Explain this cell of a field, as `cells` numbers them.")
    ] = None,
    cells: Annotated[
        bool | None, typer.Option("--cells/--no-cells", help="Find cells first, or take the image as one cell.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=8, metavar="PX", help="Slide a window of this side over a field; approximate.")
    ] = None,
    red_cell_diameter: Annotated[
        float | None,
        typer.Option(
            min=1,
            metavar="PX",
            help="Scale of a field: a red cell (7.5 µm) in pixels; by default as the file tells, or estimated.",
        ),
    ] = None,
    pixel_size: Annotated[
        float | None, typer.Option(min=0.001, metavar="UM", help="Scale of a field: micrometres per pixel.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write tables, heat maps and overlays there.")] = None,
    force: ForceOption = False,
    device: DeviceOption = "auto",
    offline: OfflineOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Say which latents are active in an image, where, and what an atlas knows of them.

    In a field, an image much larger than those that the model was trained on, cells are found and cropped first.
    There --region, in pixels of the field, means the cell that it lies in; --patch and --similar that of --cell.
    """
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.explore.explanation import check_folder
    from cytosae_toolkit.explore.request import check_request, open_source

    request = _request(patch, region, latent, top, everywhere, similar, cell)
    _check_options(request, cells, window, red_cell_diameter, pixel_size)
    if out is not None:
        check_folder(out, force=force)
    opened = open_source(source)
    check_request(opened, image, request)

    from cytosae_toolkit.explore.explorer import Explorer

    progress = progress_for(quiet)
    explorer = Explorer(opened, device=device, offline=offline, progress=progress)
    target = Target(image, {"red_cell_diameter": red_cell_diameter, "pixel_size": pixel_size}, out, force, progress)
    if window is not None:
        found = explain_field(explorer, target, request, window)
    elif not _as_field(explorer, image, cells, request):
        found = explain_image(explorer, target, request)
    elif request.is_about_one_cell:
        found = explain_cell(explorer, target, request)
    else:
        found = explain_field(explorer, target, request)
    if json:
        print_json(found.to_json())
    else:
        found.show()
    if out is not None:
        note(f"Written to {out}.")


def _request(
    patch: str | None,
    region: str | None,
    latents: list[int] | None,
    top: int,
    everywhere: bool,
    similar: bool,
    cell: int | None,
) -> Request:
    from cytosae_toolkit.explore.request import Request

    place = _numbers(patch, 2, "--patch", "ROW,COL")
    box = _numbers(region, 4, "--region", "X0,Y0,X1,Y1")
    return Request(
        patch=None if place is None else (place[0], place[1]),
        region=None if box is None else (box[0], box[1], box[2], box[3]),
        latents=latents or [],
        top=top,
        everywhere=everywhere,
        similar=similar,
        cell=cell,
    )


def _check_options(
    request: Request, cells: bool | None, window: int | None, red_cell_diameter: float | None, pixel_size: float | None
) -> None:
    """Refuse options that contradict each other."""
    if red_cell_diameter is not None and pixel_size is not None:
        raise CytosaeError("--red-cell-diameter and --pixel-size both set the scale.", "Give one of them.")
    if window is not None and cells:
        raise CytosaeError("--window slides over the whole field, --cells finds its cells.", "Give one of them.")
    if window is not None and request.is_about_one_cell:
        raise CytosaeError(
            "--patch, --region, --similar and --cell ask about one cell, --window about a field.", "Leave --window out."
        )
    if cells is False and request.cell is not None:
        raise CytosaeError("--cell chooses a cell of a field, --no-cells finds none.", "Give one of them.")


def _numbers(text: str | None, n: int, flag: str, form: str) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != n:
        raise CytosaeError(f"{flag} {text!r} is not of the form {form}.", f"Write {n} whole numbers with commas.")
    return values


def _as_field(explorer: Explorer, image: Path, cells: bool | None, request: Request) -> bool:
    """Decide whether to look for cells, and say why."""
    from cytosae_toolkit.explore.fields import looks_like_field

    if cells is not None:
        return cells
    if request.cell is not None:
        return True
    sides = looks_like_field(explorer, image)
    if sides is None:
        return False
    note(
        f"The image is {sides[0]} pixels wide or high, the training images at most {sides[1]:.0f}: it is taken for a "
        "field, and its cells are found. --no-cells takes it as one cell, --window PX slides a window over it."
    )
    return True
