"""Opening an atlas like a file: napari asks for layers, and gets the dock with the atlas in it. No torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

NO_LAYERS: list[tuple[None]] = [(None,)]
"""What a napari reader returns that read a file and adds no layer."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[Any]] | None:
    """Return the reader of an atlas, None for anything else.

    Parameters
    ----------
    path : str or list of str
        ``NAME.atlas.zarr``, or a packed atlas ``NAME.atlas.zip``.
    """
    paths = [path] if isinstance(path, str) else path
    return read_atlas if paths and all(is_atlas(Path(each)) for each in paths) else None


def is_atlas(path: Path) -> bool:
    """Say whether a path looks like an atlas, without reading much of it."""
    if path.name.endswith(".atlas.zip"):
        return path.is_file()
    return path.name.endswith(".atlas.zarr") and (path / "zarr.json").is_file()


def read_atlas(path: str | list[str]) -> list[Any]:
    """Open the dock with the atlas, in a job; without a window, return its first pictures as one layer each.

    Returns
    -------
    list of layer data
        ``[(None,)]`` where a dock shows the atlas: its reference images are in the gallery.
    """
    import napari

    newest = path if isinstance(path, str) else path[-1]
    viewer = napari.current_viewer()
    if viewer is None or not hasattr(viewer, "window"):
        return pictures(Path(newest))
    from napari_cytosae._widget import dock

    dock(viewer).start_page.open(newest)
    return NO_LAYERS


def pictures(path: Path, n: int = 16) -> list[Any]:
    """Return the first pictures of an atlas as one stack, uint8 [n, H, W, 3]; pictures of another size are left out."""
    import numpy as np

    from cytosae_toolkit.atlas.reading import open_atlas

    atlas = open_atlas(path)
    rows = range(min(n, atlas.n_images))
    found = [picture for row in rows if (picture := atlas.picture(row)) is not None]
    same = [picture for picture in found if picture.shape == found[0].shape]
    if not same:
        return NO_LAYERS
    return [(np.stack(same), {"name": f"{path.name}: reference images", "rgb": True}, "image")]
