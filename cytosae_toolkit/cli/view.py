"""``view``: napari with the plugin docked."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cytosae_toolkit.cli.common import DebugOption
from cytosae_toolkit.errors import CytosaeError

if TYPE_CHECKING:
    from collections.abc import Sequence


MARKS = ("zarr.json", "config.json")
"""One of these files lies in each atlas and in each run."""
COMMON = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
"""Pictures that are looked at before a window opens; other formats are napari's affair."""


def register(app: typer.Typer) -> None:
    """Add ``view`` to the program."""
    app.command("view")(view)


def view(
    source: Annotated[Path | None, typer.Argument(metavar="[ATLAS]", help="An atlas, packed or not, or a run.")] = None,
    images: Annotated[list[Path] | None, typer.Argument(metavar="[IMAGE]…", help="Images to open.")] = None,
    debug: DebugOption = False,
) -> None:
    """Open napari with the dock of the plugin: concepts on your cells and smears.

    An image may stand in the place of the atlas; without either the start page offers a sample.
    """
    atlas, shown = sort_arguments(source, images or [])
    check_arguments(atlas, shown)
    open_viewer(atlas, shown)


def sort_arguments(source: Path | None, images: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """Return the atlas, if one is given, and the images.

    Raises
    ------
    CytosaeError
        If something does not exist.
    """
    for path in [*([] if source is None else [source]), *images]:
        if not path.exists():
            raise CytosaeError(f"{path} does not exist.", "Name an atlas first, then images.")
    if source is None or source.is_dir() or source.suffix.lower() == ".zip":
        return source, list(images)
    return None, [source, *images]


def check_arguments(source: Path | None, images: Sequence[Path]) -> None:
    """Refuse, before a window opens, what cannot be opened in it.

    Raises
    ------
    CytosaeError
        If a folder is neither an atlas nor a run, or a file with a picture's suffix is none.
    """
    if source is not None and source.is_dir() and not any((source / name).is_file() for name in MARKS):
        raise CytosaeError(f"{source} is neither an atlas nor a run.", "Name what `atlas build` or `train` wrote.")
    for path in images:
        if path.suffix.lower() not in COMMON:
            continue
        _check_picture(path)


def _check_picture(path: Path) -> None:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            Image.open(path).close()
    except Image.DecompressionBombError:  # a picture, however large; the viewer's reader says what it makes of it
        return
    except (OSError, ValueError) as error:
        raise CytosaeError(
            f"{path} is not a picture that can be read.", "It may be damaged, or not what its name says."
        ) from error


def open_viewer(source: Path | None, images: Sequence[Path] = ()) -> None:
    """Open napari with the plugin docked, and return when it is closed.

    Parameters
    ----------
    source : Path, optional
        An atlas or a run.
    images : sequence of Path
        Images to show.

    Raises
    ------
    CytosaeError
        If napari is not installed, or there is no screen.
    """
    _check_napari()
    _check_screen()
    import napari

    from napari_cytosae._widget import dock

    viewer = napari.Viewer(title="CytoSAE")
    try:
        dock(viewer).open(source, images)
    except CytosaeError:
        viewer.close()
        raise
    napari.run()


def _check_napari() -> None:
    try:
        import napari  # noqa: F401
        from qtpy import QtWidgets  # noqa: F401
    except Exception as error:  # qtpy raises its own where no Qt is installed
        raise CytosaeError(
            "The viewer needs napari and Qt, which are not installed.",
            "Install them: pip install 'cytosae-toolkit[napari]' PyQt6",
        ) from error


def _check_screen() -> None:
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise CytosaeError(
            "There is no screen: DISPLAY and WAYLAND_DISPLAY are not set.",
            "Run it on a desktop, by `ssh -X`, or under `xvfb-run`.",
        )
