"""What ``explain`` does with an image, a cell of a field, or a field; and what it shows of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cytosae_toolkit.cli.common import note, say, warn
from cytosae_toolkit.cli.explain_tables import print_table

if TYPE_CHECKING:
    import pandas as pd

    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.explore.image import LoadedImage
    from cytosae_toolkit.explore.request import Box, Request
    from cytosae_toolkit.images.windows import Field
    from cytosae_toolkit.progress import Progress

OVERLAP = 0.5
"""Of sliding windows, as a share of their side."""


@dataclass(frozen=True)
class Target:
    """A file to explain.

    Parameters
    ----------
    path : Path
        The file.
    scale : dict
        ``red_cell_diameter`` and ``pixel_size`` of a field, None where not given.
    out : Path or None
        Folder to write.
    force : bool
        Whether an explanation there may be replaced.
    progress : Progress
        Where to report.
    """

    path: Path
    scale: dict[str, float | None]
    out: Path | None
    force: bool
    progress: Progress


@dataclass(frozen=True, eq=False)
class Shown:
    """What was found.

    Parameters
    ----------
    facts : dict
        About the image, for JSON.
    headline : str
        The same as a sentence.
    table : DataFrame
        Latents.
    similar : DataFrame or None
        Images of the atlas, if asked for.
    grid : (int, int), optional
        Rows and columns of patches, where `table` has the place of the largest activation.
    """

    facts: dict[str, Any]
    headline: str
    table: pd.DataFrame
    similar: pd.DataFrame | None = None
    grid: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return facts, latents and similar images; `peak` as row and column, None where no patch fires."""
        latents = _records(self.table)
        if self.grid is not None:
            for record in latents:
                record["peak"] = list(divmod(int(record["peak"]), self.grid[1])) if record["peak"] >= 0 else None
        listed = {} if self.similar is None else {"similar": _records(self.similar)}
        return self.facts | {"latents": latents} | listed

    def show(self) -> None:
        """Print headline and tables."""
        from cytosae_toolkit.explore.explanation import with_places

        say(self.headline)
        if len(self.table):
            print_table(self.table if self.grid is None else with_places(self.table, self.grid))
        else:
            say("No latent is active there.")
        if self.similar is not None:
            say("Images of the atlas that share its latents, one per cell:")
            print_table(self.similar)


def explain_image(explorer: Explorer, target: Target, request: Request) -> Shown:
    """Explain a file as one cell."""
    return _explained(explorer, explorer.load(target.path), target, request, request.region, {"image": target.path})


def explain_cell(explorer: Explorer, target: Target, request: Request) -> Shown:
    """Explain the cell of a field that is meant."""
    from cytosae_toolkit.explore.field_cells import find_field_cells, part_of_crop
    from cytosae_toolkit.explore.fields import red_cells
    from cytosae_toolkit.images.windows import open_field

    with open_field(target.path) as field:
        scale = red_cells(field, **target.scale)
        found = find_field_cells(explorer, field, scale)
        number = found.chosen(request.cell, request.region)
        box = found.box(number)
        _warn_of_scale(target.path, scale.is_certain)
        image = explorer.load(field.read_window(*box), name=f"{target.path.name}, cell {number}")
        note(f"Cell {number} of {len(found.cells)} is explained, pixels {','.join(map(str, box))} of the field.")
        region = None if request.region is None else part_of_crop(request.region, box)
        facts = {"image": target.path, "cell": number, "box": box}
        shown = _explained(explorer, image, target, request, region, facts)
        if target.out is not None:
            _draw_overview(field, found, target.out)
    return shown


def _draw_overview(field: Field, found: Any, out: Path) -> None:
    from cytosae_toolkit.explore.fields import OVERVIEW
    from cytosae_toolkit.images.cell_overview import draw_overview

    draw_overview(field, found.cells, found.cut).save(out / OVERVIEW)


def _explained(
    explorer: Explorer,
    image: LoadedImage,
    target: Target,
    request: Request,
    region: Box | None,
    facts: dict[str, Any],
) -> Shown:
    from cytosae_toolkit.explore.explanation import box_mask, latent_table, write_explanation

    if image.unlike:
        warn(f"{image.name} is unlike the images that the model was trained on: read its latents with care.")
    mask = None if region is None else box_mask(region, image.image.shape)
    table = latent_table(
        explorer, image, patch=request.patch, region=mask, latents=request.latents, top=request.top,
        everywhere=request.everywhere,
    )  # fmt: skip
    similar = explorer.similar_images(request.top, region=mask, image=image) if request.similar else None
    if target.out is not None:
        write_explanation(
            target.out, explorer, image, table, patch=request.patch, region=region, similar=similar, force=target.force
        )
    facts = facts | {"grid": image.grid, "fvu": image.fvu, "l0": image.l0, "unlike": image.unlike}
    return Shown(facts, _headline(image), table, similar, image.grid)


def _headline(image: LoadedImage) -> str:
    height, width = image.image.shape[:2]
    rows, columns = image.grid
    fvu = "" if image.fvu != image.fvu else f", {image.fvu:.3f} of the variance unexplained"
    return (
        f"{image.name}: {width} x {height} pixels, {rows} x {columns} patches, L0 {image.l0:.1f} latents active per "
        f"token{fvu}"
    )


def explain_field(explorer: Explorer, target: Target, request: Request, window: int | None = None) -> Shown:
    """Explain a field by its cells, or by windows of a side in pixels."""
    from cytosae_toolkit.explore.fields import explain_cells, explain_windows
    from cytosae_toolkit.images.windows import open_field, window_grid

    options: dict[str, Any] = {
        "latents": request.latents, "top": request.top, "everywhere": request.everywhere,
        "out": target.out, "force": target.force, "progress": target.progress,
    }  # fmt: skip
    with open_field(target.path) as field:
        if window is None:
            found = explain_cells(explorer, field, **options | target.scale)
        else:
            warn("Windows are unlike the training crops: heat maps over a field are approximate.")
            found = explain_windows(explorer, field, window_grid(field.shape, window, OVERLAP), **options)
    if found.n_unlike:
        warn(f"{found.n_unlike} of {found.n_boxes} {found.what} are unlike the images that the model was trained on.")
    facts = {
        "image": target.path,
        found.what: found.n_boxes,
        "unlike": found.n_unlike,
        "approximate": window is not None,
    }
    cut = f", {found.n_cut} cut by the border left out" if found.n_cut else ""
    size = f"{found.shape[1]} x {found.shape[0]} pixels"
    headline = f"{target.path.name}: {size}, {found.what}: {found.n_boxes}, all ranked{cut}"
    if found.scale is not None:
        _warn_of_scale(target.path, found.scale.is_certain)
        facts |= {"red_cell_diameter": found.scale.diameter, "cut": found.n_cut}
        headline += f" (red cells {found.scale.diameter:.0f} pixels wide)"
    return Shown(facts, headline, found.table)


def _warn_of_scale(path: Path, certain: bool) -> None:
    if not certain:
        warn(f"{path.name} shows too few red cells to tell its scale: check the cells, or give --red-cell-diameter.")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.reset_index().to_dict(orient="records")]
