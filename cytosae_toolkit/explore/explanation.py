"""An explanation of one image on disk: which latents are active, where, and which reference images show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.image import LoadedImage, check_latent
from cytosae_toolkit.explore.request import check_region
from cytosae_toolkit.explore.similar import groups_with
from cytosae_toolkit.files import atomic_folder

if TYPE_CHECKING:
    from cytosae_toolkit.explore.explorer import Explorer
    from cytosae_toolkit.figures.references import LatentRow

TABLE = "latents.csv"
"""The table in the folder of an explanation; it also tells such a folder from others."""
REFERENCES = 6
LINES = 10
"""Latents that the attribution figure shows at most."""


def box_mask(box: tuple[int, int, int, int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a mask of pixels, bool [H, W], from a box ``x0, y0, x1, y1``, half-open.

    Raises
    ------
    CytosaeError
        If the box is empty or leaves the image.
    """
    check_region(box, shape[1], shape[0])
    mask = np.zeros(shape[:2], dtype=bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def latent_table(
    explorer: Explorer,
    image: LoadedImage,
    *,
    patch: tuple[int, int] | None = None,
    region: NDArray[np.bool_] | None = None,
    latents: Sequence[int] = (),
    top: int | None = 10,
    everywhere: bool = False,
) -> pd.DataFrame:
    """Return the latents that explain an image, a patch or a region.

    Parameters
    ----------
    explorer : Explorer
        What to ask.
    image : LoadedImage
        What to explain.
    patch : (int, int), optional
        Only the latents of this patch, with their `activation` there.
    region : bool array, optional
        Latents ranked by contrast against the rest of the image; see `cytosae_toolkit.explore.regions`.
    latents : sequence of int
        These and no others, active or not.
    top : int, optional
        How many at most; None for all.
    everywhere : bool
        Include latents that fire everywhere.

    Returns
    -------
    DataFrame
        Index `latent`; what was asked for; `mean max peak count` on the image; what the atlas knows.
    """
    on_image = image.codes.table(explorer.threshold)
    hide = not everywhere
    if latents:
        found = _given(image, latents, patch)
    elif region is not None:
        found = explorer.rank_region(region, n=top, hide_everywhere=hide, image=image)
    elif patch is not None:
        found = explorer.top_latents(patch, top, hide_everywhere=hide, image=image)
    else:
        found = explorer.image_latents(top, hide_everywhere=hide, image=image)
    missing = [name for name in on_image.columns if name not in found.columns]
    silent = {"mean": 0.0, "max": 0.0, "peak": -1, "count": 0}
    joined = found.join(on_image[missing]).fillna({name: silent[name] for name in missing})
    return explorer.describe(joined.astype({name: on_image[name].dtype for name in missing}))


def _given(image: LoadedImage, latents: Sequence[int], patch: tuple[int, int] | None) -> pd.DataFrame:
    wanted = list(dict.fromkeys(check_latent(latent, image.codes.d_sae) for latent in latents))
    found = pd.DataFrame(index=pd.Index(wanted, name="latent", dtype=np.int64))
    if patch is None:
        return found
    return found.join(image.at_patch(patch)).fillna({"activation": 0.0})


def check_folder(out: Path, *, force: bool) -> None:
    """Refuse to write an explanation over something.

    Raises
    ------
    CytosaeError
        If `out` exists, unless it is an explanation that may be replaced.
    """
    if not out.exists():
        return
    if not (out.is_dir() and (out / TABLE).is_file()):
        raise CytosaeError(f"{out} exists and is not an explanation.", "Choose another --out.")
    if not force:
        raise CytosaeError(f"The explanation {out} exists.", "Replace it with --force or choose another --out.")


def write_explanation(
    out: Path,
    explorer: Explorer,
    image: LoadedImage,
    table: pd.DataFrame,
    *,
    patch: tuple[int, int] | None = None,
    region: tuple[int, int, int, int] | None = None,
    similar: pd.DataFrame | None = None,
    scales: Mapping[int, float] | None = None,
    force: bool = False,
) -> None:
    """Write an explanation into a folder.

    ::

        latents.csv                 the table
        attribution.png             the image, and what each latent sees of it, beside reference images of other cells
        overlays/latent-00417.png   the image under the activation, full colour at the largest on the image
        heatmaps/latent-00417.tif   activation of each patch, float32
        similar.csv, similar.png    images of the atlas that share the latents, if asked for

    Parameters
    ----------
    out : Path
        The folder.
    explorer, image, patch
        As in `latent_table`.
    table : DataFrame
        What `latent_table` returned.
    similar : DataFrame, optional
        What `Explorer.similar_images` returned.
    region : (x0, y0, x1, y1), optional
        Pixels to outline.
    scales : mapping of int to float, optional
        Activation at full colour of each latent in the overlays, where several images share it.
    force : bool
        Replace an explanation that exists.
    """
    check_folder(out, force=force)
    heatmaps = {int(latent): image.heatmap(int(latent)) for latent in table.index}
    with atomic_folder(out, replace=force) as folder:
        write_table(folder / TABLE, with_places(table, image.grid))
        if similar is not None:
            write_table(folder / "similar.csv", similar)
            _write_similar(folder / "similar.png", explorer, image, similar)
        write_heatmaps(folder / "heatmaps", heatmaps)
        _write_overlays(folder / "overlays", explorer, image, heatmaps, patch, region, scales or {})
        if heatmaps:
            _write_attribution(folder / "attribution.png", explorer, image, table, heatmaps, patch, region)


def with_places(table: pd.DataFrame, grid: tuple[int, int]) -> pd.DataFrame:
    """Write the column `peak` as ``ROW,COL``, the form that a patch is asked for in; empty where no patch fires."""
    if "peak" not in table.columns:
        return table
    places = [",".join(map(str, divmod(int(peak), grid[1]))) if peak >= 0 else "" for peak in table["peak"]]
    return table.assign(peak=places)


def _write_similar(path: Path, explorer: Explorer, image: LoadedImage, similar: pd.DataFrame) -> None:
    from cytosae_toolkit.figures.similar import similar_images
    from cytosae_toolkit.figures.style import save_figure

    atlas = explorer.atlas
    assert atlas is not None
    pictures, captions = [], []
    for row, known in similar.iterrows():
        picture = atlas.picture(int(str(row)))
        if picture is not None:
            pictures.append(picture)
            captions.append((float(known["similarity"]), str(known.get("label") or ""), str(known["file"])))
    if pictures:
        save_figure(similar_images(image.image, image.name, pictures, captions), path)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV; text that a spreadsheet would take for a formula is made harmless."""
    from cytosae_toolkit.atlas.names_csv import escape_cell

    safe = table.copy()
    for name in safe.columns:
        if safe[name].dtype == object or isinstance(safe[name].dtype, pd.StringDtype | pd.CategoricalDtype):
            safe[name] = [escape_cell(value) if isinstance(value, str) else value for value in safe[name]]
    safe.to_csv(path, float_format="%.7g")


def write_heatmaps(folder: Path, heatmaps: dict[int, NDArray[np.float32]]) -> None:
    """Write one TIFF per latent, float32, one pixel per patch."""
    from PIL import Image

    folder.mkdir()
    for latent, heatmap in heatmaps.items():
        Image.fromarray(np.ascontiguousarray(heatmap, dtype=np.float32)).save(folder / f"latent-{latent:05d}.tif")


def _write_overlays(
    folder: Path,
    explorer: Explorer,
    image: LoadedImage,
    heatmaps: dict[int, NDArray[np.float32]],
    patch: tuple[int, int] | None,
    region: tuple[int, int, int, int] | None,
    scales: Mapping[int, float],
) -> None:
    from cytosae_toolkit.figures.attribution import overlay
    from cytosae_toolkit.figures.style import save_figure

    folder.mkdir()
    place = None if patch is None else patch[0] * image.grid[1] + patch[1]
    for latent, heatmap in heatmaps.items():
        figure = overlay(
            image.image,
            heatmap,
            image.boxes,
            scales.get(latent),
            title=title_of(explorer, latent),
            patch=place,
            region=region,
            largest=atlas_maximum(explorer, latent),
        )
        save_figure(figure, folder / f"latent-{latent:05d}.png")


def atlas_maximum(explorer: Explorer, latent: int) -> float | None:
    """Return the largest activation of a latent in the atlas; None without an atlas."""
    if explorer.atlas is None:
        return None
    largest = float(explorer.atlas.latents["max_activation"].iloc[latent])
    return largest if largest > 0 else None


def title_of(explorer: Explorer, latent: int) -> str:
    """Return ``"latent 417: eosinophilic granules"``."""
    name = "" if explorer.atlas is None else str(explorer.atlas.latents["name"].iloc[latent])
    return f"latent {latent}" + (f": {name}" if name else "")


def _write_attribution(
    path: Path,
    explorer: Explorer,
    image: LoadedImage,
    table: pd.DataFrame,
    heatmaps: dict[int, NDArray[np.float32]],
    patch: tuple[int, int] | None,
    region: tuple[int, int, int, int] | None,
) -> None:
    from cytosae_toolkit.figures.attribution import patch_attribution
    from cytosae_toolkit.figures.style import save_figure

    shown = list(heatmaps)[:LINES]
    place = None if patch is None else patch[0] * image.grid[1] + patch[1]
    footer = "Unlike the images that the model was trained on: read with care." if image.unlike else ""
    figure = patch_attribution(
        image.image,
        image.boxes,
        [heatmaps[latent] for latent in shown],
        _rows(explorer, image, table.loc[shown]),
        patch=place,
        region=region,
        title=image.name,
        footer=footer,
    )
    save_figure(figure, path)


def _rows(explorer: Explorer, image: LoadedImage, table: pd.DataFrame) -> list[LatentRow]:
    """Return the latents of a table with reference images of other cells; texts say which mean is the image's."""
    from cytosae_toolkit.figures.references import LatentRow

    values = zip(table["mean"], table["max"], strict=True)
    here = [f"here: mean {mean:.3g}, largest {largest:.3g}" for mean, largest in values]
    latents = [int(latent) for latent in table.index]
    if explorer.atlas is None or not explorer.atlas.has_images:
        return [
            LatentRow(title_of(explorer, latent), text, [], [], []) for latent, text in zip(latents, here, strict=True)
        ]
    from cytosae_toolkit.figures.montage import montage_rows

    same = groups_with(explorer.atlas.images, image.key)
    rows = montage_rows(explorer.atlas, latents, limit=REFERENCES, without=same)
    return [replace(row, text=f"{text}\natlas: {row.text}") for row, text in zip(rows, here, strict=True)]
