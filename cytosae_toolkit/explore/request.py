"""What is asked of one image, checked before anything slow is loaded: no model, no pixels, only records and headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.explore.image import check_latent, check_patch

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas
    from cytosae_toolkit.training.run import Run

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Request:
    """What is asked.

    Parameters
    ----------
    patch : (int, int), optional
        Row and column of a patch of the image, or of the cell of a field.
    region : (int, int, int, int), optional
        ``x0, y0, x1, y1`` in pixels of the file.
    latents : sequence of int
        These and no others.
    top : int
        How many latents and similar images.
    everywhere : bool
        Include latents that fire everywhere.
    similar : bool
        Look for similar images.
    cell : int, optional
        Number of a cell of a field, from 1.
    """

    patch: tuple[int, int] | None = None
    region: Box | None = None
    latents: Sequence[int] = ()
    top: int = 10
    everywhere: bool = False
    similar: bool = False
    cell: int | None = None

    @property
    def is_about_one_cell(self) -> bool:
        """Whether a field as a whole cannot answer it."""
        return bool(self.patch or self.region or self.similar or self.cell is not None)


def open_source(path: Path) -> Atlas | Run:
    """Open an atlas or a run folder."""
    from cytosae_toolkit.atlas.reading import open_atlas
    from cytosae_toolkit.training.run import Run, is_run

    return Run(path) if path.is_dir() and is_run(path) else open_atlas(path)


def check_request(source: Atlas | Run, image: Path, request: Request) -> None:
    """Refuse what cannot be answered.

    Parameters
    ----------
    source : Atlas or Run
        As `open_source` returns it.
    image : Path
        Its header is read if a region is asked for.
    request : Request
        What is asked.

    Raises
    ------
    CytosaeError
        If a latent or patch does not exist, the region is no box of the image, there are no images to be similar
        to, or the run is not finished.
    """
    from cytosae_toolkit.training.run import Run

    run = source if isinstance(source, Run) else source.run
    if not run.completed:
        raise CytosaeError(f"The run {run.path} is not finished.", "Go on with: train … --resume.")
    for latent in request.latents:
        check_latent(latent, int(run.record["d_sae"]))
    if request.patch is not None:
        rows, columns = run.record["backbone"]["grid"]
        check_patch(request.patch, (rows, columns))
    if request.region is not None:
        check_region(request.region, *picture_size(image))
    if request.similar and (isinstance(source, Run) or not source.has_images):
        raise CytosaeError("There are no images to compare with.", "Name an atlas made by `atlas build`.")


def check_region(box: Box, width: int, height: int) -> None:
    """Refuse a box that is empty or leaves the picture.

    Raises
    ------
    CytosaeError
        If it is one.
    """
    from cytosae_toolkit.images.decode import box_problem

    problem = box_problem(box, width, height)
    if problem is not None:
        raise CytosaeError(f"The region cannot be used: {problem}.", "Give x0,y0,x1,y1 in pixels of the image.")


def picture_size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture, from its header; a TIFF may be of any size."""
    from cytosae_toolkit.images.decode import explained, image_size, is_tiff, opened
    from cytosae_toolkit.images.windows import open_field

    with explained(path), opened(path) as stream:
        in_pieces = is_tiff(stream)
    if not in_pieces:
        return image_size(path)
    with open_field(path) as field:
        return field.shape[1], field.shape[0]
