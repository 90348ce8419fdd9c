"""``explain``: active latents of an image, a patch, a region or a field, and where they light up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    say,
    stdout_console,
    warn,
)
from cytosae_toolkit.errors import CytosaeError

OVERLAP = 0.5
"""Of sliding windows, as a share of their side."""

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.explore.image import LoadedImage
    from cytosae_toolkit.progress import Progress


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
    cells: Annotated[
        bool | None, typer.Option("--cells/--no-cells", help="Find cells first, or take the image as one cell.")
    ] = None,
    window: Annotated[
        int | None, typer.Option(min=8, metavar="PX", help="Slide a window of this side over the image; approximate.")
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
    """
    from cytosae_toolkit.cli.progress import progress_for
    from cytosae_toolkit.explore.explanation import check_folder
    from cytosae_toolkit.explore.explorer import Explorer

    if red_cell_diameter is not None and pixel_size is not None:
        raise CytosaeError("--red-cell-diameter and --pixel-size both set the scale.", "Give one of them.")
    if out is not None:
        check_folder(out, force=force)
    wanted = {
        "patch": _numbers(patch, 2, "--patch", "ROW,COL"),
        "region": _numbers(region, 4, "--region", "X0,Y0,X1,Y1"),
    }
    progress = progress_for(quiet)
    explorer = Explorer(source, device=device, offline=offline, progress=progress)
    request = wanted | {"latents": latent or [], "top": top, "everywhere": everywhere, "similar": similar}
    scale = {"red_cell_diameter": red_cell_diameter, "pixel_size": pixel_size}
    if window is not None or _as_field(explorer, image, cells, request):
        found = _explain_field(explorer, image, request, window, scale, out, force, progress)
    else:
        found = _explain_image(explorer, image, request, out, force)
    if json:
        print_json(found["json"])
    else:
        _show(found)
    if out is not None:
        note(f"Written to {out}.")


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


def _as_field(explorer: Explorer, image: Path, cells: bool | None, request: dict[str, Any]) -> bool:
    """Decide whether to look for cells, and say why."""
    from cytosae_toolkit.explore.fields import looks_like_field

    if cells is not None:
        return cells
    if request["patch"] or request["region"] or request["similar"]:
        return False
    sides = looks_like_field(explorer, image)
    if sides is None:
        return False
    note(
        f"The image is {sides[0]} pixels wide or high, the training images at most {sides[1]:.0f}: it is taken for a "
        "field, and its cells are found. --no-cells takes it as one cell, --window PX slides a window over it."
    )
    return True


def _explain_image(
    explorer: Explorer, path: Path, request: dict[str, Any], out: Path | None, force: bool
) -> dict[str, Any]:
    from cytosae_toolkit.explore.explanation import box_mask, latent_table, write_explanation

    image = explorer.load(path)
    if image.unlike:
        warn(f"{image.name} is unlike the images that the model was trained on: read its latents with care.")
    region = None if request["region"] is None else box_mask(request["region"], image.image.shape)
    table = latent_table(
        explorer, image, patch=request["patch"], region=region, latents=request["latents"], top=request["top"],
        everywhere=request["everywhere"],
    )  # fmt: skip
    similar = explorer.similar_images(request["top"], region=region, image=image) if request["similar"] else None
    if out is not None:
        write_explanation(out, explorer, image, table, patch=request["patch"], similar=similar, force=force)
    facts = {"image": path, **_facts(image)}
    listed = {"latents": _records(table)} | ({} if similar is None else {"similar": _records(similar)})
    return {"json": facts | listed, "headline": _headline(image), "table": table, "similar": similar}


def _facts(image: LoadedImage) -> dict[str, Any]:
    return {"grid": image.grid, "fvu": image.fvu, "l0": image.l0, "unlike": image.unlike}


def _headline(image: LoadedImage) -> str:
    height, width = image.image.shape[:2]
    rows, columns = image.grid
    fvu = "" if image.fvu != image.fvu else f", {image.fvu:.3f} of the variance unexplained"
    return f"{image.name}: {width} x {height} pixels, {rows} x {columns} patches, L0 {image.l0:.1f}{fvu}"


def _explain_field(
    explorer: Explorer,
    path: Path,
    request: dict[str, Any],
    window: int | None,
    scale: dict[str, Any],
    out: Path | None,
    force: bool,
    progress: Progress,
) -> dict[str, Any]:
    if request["patch"] or request["region"] or request["similar"]:
        raise CytosaeError(
            "--patch, --region and --similar ask about one cell, not about a field.",
            "Crop the cell first with `cytosae-toolkit cells`, or add --no-cells.",
        )
    from cytosae_toolkit.explore.fields import explain_cells, explain_windows
    from cytosae_toolkit.images.windows import open_field, window_grid

    options: dict[str, Any] = {name: request[name] for name in ("latents", "top", "everywhere")}
    with open_field(path) as field:
        if window is None:
            found = explain_cells(explorer, field, **options, **scale, out=out, force=force, progress=progress)
        else:
            warn("Windows are unlike the training crops: heat maps over a field are approximate.")
            windows = window_grid(field.shape, window, OVERLAP)
            found = explain_windows(explorer, field, windows, **options, out=out, force=force, progress=progress)
    if found.n_unlike:
        warn(f"{found.n_unlike} of {found.n_boxes} {found.what} are unlike the images that the model was trained on.")
    if found.scale is not None and not found.scale.is_certain:
        warn(f"{path.name} shows too few red cells to tell its scale: check the cells, or give --red-cell-diameter.")
    facts = {"image": path, found.what: found.n_boxes, "unlike": found.n_unlike, "approximate": window is not None}
    headline = f"{path.name}: {found.shape[1]} x {found.shape[0]} pixels, {found.what}: {found.n_boxes}"
    if found.scale is not None:
        facts["red_cell_diameter"] = found.scale.diameter
        headline += f" (red cells {found.scale.diameter:.0f} pixels wide)"
    return {"json": facts | {"latents": _records(found.table)}, "headline": headline, "table": found.table}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.reset_index().to_dict(orient="records")]


def _show(found: dict[str, Any]) -> None:
    say(found["headline"])
    if len(found["table"]):
        _print_table(found["table"])
    else:
        say("No latent is active there.")
    if found.get("similar") is not None:
        say("Images of the atlas that share its latents:")
        _print_table(found["similar"])


def _print_table(table: pd.DataFrame) -> None:
    from rich.table import Table

    plain = _readable(table)
    grid = Table(box=None, pad_edge=False)
    for name in (plain.index.name or "", *plain.columns):
        grid.add_column(str(name), justify="left" if name in ("name", "label", "shared", "flags") else "right")
    for index, row in plain.iterrows():
        grid.add_row(str(index), *(_text(value) for value in row))
    stdout_console().print(grid)


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Join the flags into one column, and leave out columns that say nothing."""
    from cytosae_toolkit.atlas.describing import FLAGS, flags_of

    flags = [name for name in FLAGS if name in table.columns]
    if flags:
        table = table.assign(flags=[" ".join(flags_of(dict(row))) for _, row in table.iterrows()]).drop(columns=flags)
    empty = [name for name in table.columns if all(_text(value) == "" for value in table[name])]
    return table.drop(columns=empty)


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.4g}" if isinstance(value, float) or hasattr(value, "dtype") else str(value)
