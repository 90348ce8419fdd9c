"""Whether a figure may be written to a path: asked before the work begins."""

from __future__ import annotations

from pathlib import Path

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.figures.style import SUFFIXES


def check_figure_path(path: Path, *, force: bool = False) -> None:
    """Refuse a path of a figure, or of the CSV beside it, that exists or has another suffix.

    Raises
    ------
    CytosaeError
        If `save_figure` could not or should not write there.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CytosaeError(f"{path} has no suffix of a figure.", f"Choose one of {', '.join(SUFFIXES)}.")
    taken = next((file for file in (path, path.with_suffix(".csv")) if file.exists()), None)
    if taken is not None and not force:
        raise CytosaeError(f"{taken} exists.", "Replace it with --force, or choose another --out.")
