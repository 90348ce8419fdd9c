"""The files that the images of an atlas came from, also where they were moved; else the pictures that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cytosae._recall import atlas_key, remember, remembered

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas

Box = tuple[int, int, int, int]
MOST_FOLDERS = 8


@dataclass(frozen=True, eq=False)
class Original:
    """An image of an atlas, as it is opened.

    Parameters
    ----------
    pixels : uint8 array [H, W, 3]
        RGB.
    path : Path or None
        The file; None for the picture that the atlas holds.
    """

    pixels: NDArray[np.uint8]
    path: Path | None


def read_original(atlas: Atlas, row: int, folders: Sequence[Path] = ()) -> Original | None:
    """Return an image from its file, else as the atlas holds it; None if there is neither.

    Parameters
    ----------
    atlas : Atlas
        With images.
    row : int
        Of `Atlas.images`.
    folders : sequence of Path
        Where files may have been moved to.
    """
    from cytosae_toolkit.images.decode import UnreadableImage, decode

    path = find_original(atlas, row, folders)
    if path is not None:
        try:
            return Original(decode(path, box_of(atlas, row)), path)
        except (UnreadableImage, OSError):
            path = None
    picture = atlas.picture(row)
    return None if picture is None else Original(picture, None)


def find_original(atlas: Atlas, row: int, folders: Sequence[Path] = ()) -> Path | None:
    """Return the file of an image, None if it is not found; a file of other content does not count."""
    if "path" not in atlas.images.columns:
        return None
    for path in (atlas.original(row), *_candidates(str(atlas.images["path"].iloc[row]), folders)):
        if path.is_file() and _is_same(atlas, row, path):
            return path
    return None


def _candidates(stored: str, folders: Sequence[Path]) -> list[Path]:
    """Return where a file may lie in other folders: as much of its old path as possible first."""
    parts = [part for part in PurePosixPath(stored.replace("\\", "/")).parts if part not in ("/", ".", "..")]
    parts = [part for part in parts if ":" not in part]
    return [folder.joinpath(*parts[i:]) for folder in folders for i in range(len(parts))]


def _is_same(atlas: Atlas, row: int, path: Path) -> bool:
    from cytosae_toolkit.errors import CytosaeError
    from cytosae_toolkit.images.keys import file_keys

    if "key" not in atlas.images.columns:
        return True
    try:
        return file_keys(path, [box_of(atlas, row)])[0] == str(atlas.images["key"].iloc[row])
    except CytosaeError:
        return False


def box_of(atlas: Atlas, row: int) -> Box | None:
    """Return which part of its file an image is, ``x0, y0, x1, y1``; None for all of it."""
    if not {"x0", "y0", "x1", "y1"} <= set(atlas.images.columns):
        return None
    values = atlas.images.loc[row, ["x0", "y0", "x1", "y1"]].to_numpy(dtype=float)
    if not np.isfinite(values).all():
        return None
    x0, y0, x1, y1 = (int(value) for value in values)
    return x0, y0, x1, y1


def known_folders(atlas: Atlas) -> list[Path]:
    """Return the folders that were named for the moved files of an atlas, the latest first."""
    found = remembered(f"folders-{atlas_key(atlas)}")
    return [Path(text) for text in found if isinstance(text, str)] if isinstance(found, list) else []


def add_folder(atlas: Atlas, folder: Path) -> None:
    """Remember where the files of an atlas were moved to."""
    folders = [folder.absolute(), *(known for known in known_folders(atlas) if known != folder.absolute())]
    remember(f"folders-{atlas_key(atlas)}", [str(path) for path in folders[:MOST_FOLDERS]])


def count_found(atlas: Atlas, folders: Sequence[Path], rows: Sequence[int]) -> int:
    """Return how many of some images have a file that is there."""
    return sum(find_original(atlas, row, folders) is not None for row in rows)
