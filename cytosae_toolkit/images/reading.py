"""Make an image table of whatever the user names: folder, table, published layout, single image."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pandas as pd

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import UnreadableImage, box_problem, image_size
from cytosae_toolkit.images.folders import Found, find_images
from cytosae_toolkit.images.keys import content_keys
from cytosae_toolkit.images.layouts import Layout, apply_layout, get_layout
from cytosae_toolkit.images.parallel import Progress, map_threads
from cytosae_toolkit.images.table import ImageTable, Skipped
from cytosae_toolkit.images.tablefile import (
    COLUMNS,
    TABLE_SUFFIXES,
    cells,
    read_table,
    row_boxes,
    rows_phrase,
)

_LAYOUT_SOURCE = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(.+)", re.DOTALL)  # one letter is a Windows drive
_WRAPPERS = ("images", "image", "imgs", "img", "data", "dataset")
_MASKS = ("masks", "mask")


@dataclass
class _Listing:
    """What a source lists, before ids are known."""

    frame: pd.DataFrame
    root: Path
    skipped: list[Skipped]
    n_ignored: int = 0


def read_images(
    source: str | os.PathLike[str],
    *,
    map: Mapping[str, str] | None = None,
    allow_outside: bool = False,
    strict: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ImageTable:
    """Read which images there are; pixels are not decoded (see `check`).

    A folder is searched at any depth, in the order of POSIX paths. Its first folder level is the label;
    images that lie in it directly have none. A level that only wraps (``images``, ``data``) is passed
    through, a ``masks`` folder beside it left out. A table keeps its order and columns.

    Without a column `id`, the id of an image is its content key, a hash of file bytes and box; then a second
    row of the same content is a duplicate: the first is kept, others are listed in `ImageTable.skipped`, or
    refused where `strict`.

    Parameters
    ----------
    source : str or path
        A folder, a CSV / TSV / Parquet table, an image file, or ``layout:folder`` (str only).
    map : mapping of str to str, optional
        For tables: our column name to the table's (``{"path": "file"}``).
    allow_outside : bool
        Whether relative paths and links may leave the table's folder or the given folder.
    strict : bool
        Refuse what would be left out.
    workers : int, optional
        Threads for hashing.
    progress : callable, optional
        Called with (files hashed, files in total).

    Returns
    -------
    ImageTable

    Raises
    ------
    CytosaeError
        Nothing there, a damaged table, missing files, duplicate ids, paths that leave the folder, bad boxes.
    """
    listing = _listing(source, dict(map or {}), allow_outside)
    keys = None
    if "id" in listing.frame.columns:
        _refuse_bad_ids(listing.frame, os.fspath(source))
    else:
        keys = _add_ids(listing, workers, progress)
    if strict and listing.skipped:
        first = listing.skipped[0]
        raise CytosaeError(
            f"{len(listing.skipped)} of the images of {os.fspath(source)} cannot be used as they are: "
            f"{first.path} ({first.reason}){' and others' if len(listing.skipped) > 1 else ''}.",
            "Remove them, or leave --strict out to skip them.",
        )
    ordered = [name for name in COLUMNS if name in listing.frame.columns]
    frame = listing.frame[ordered + [name for name in listing.frame.columns if name not in ordered]]
    return ImageTable(
        frame,
        listing.root,
        os.fspath(source),
        skipped=listing.skipped,
        n_ignored=listing.n_ignored,
        keys=keys,
    )


def _listing(source: str | os.PathLike[str], columns_map: dict[str, str], allow_outside: bool) -> _Listing:
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() in TABLE_SUFFIXES:
        return _from_table(path.absolute(), columns_map, allow_outside)
    if columns_map:
        raise CytosaeError(f"--map renames the columns of a table, but {source} is none.", "Leave --map out.")
    if path.is_dir():
        return _from_folder(path.absolute(), allow_outside)
    if path.exists():
        path = path.absolute()
        return _Listing(pd.DataFrame({"path": [path.name]}), path.parent, [])
    named = _LAYOUT_SOURCE.fullmatch(source) if isinstance(source, str) else None
    if named is None:
        raise CytosaeError(f"{source} does not exist.", "Give a folder, a table, an image or LAYOUT:FOLDER.")
    layout, folder = get_layout(named[1]), Path(named[2]).expanduser()
    if not folder.is_dir():
        raise CytosaeError(f"The folder {folder} does not exist.", f"{layout.name} expects {layout.expected}.")
    return _from_layout(layout, folder.absolute(), allow_outside)


def _from_folder(root: Path, allow_outside: bool) -> _Listing:
    found = _without_masks(find_images(root, allow_outside=allow_outside))
    depth = _wrapper_depth(found.paths)
    labels = [path.parts[depth] if len(path.parts) > depth + 1 else None for path in found.paths]
    frame = pd.DataFrame({"path": [str(path) for path in found.paths]})
    if any(label is not None for label in labels):
        frame["label"] = pd.Series(labels, dtype=object)
    return _Listing(frame, root, [], found.n_ignored)


def _without_masks(found: Found) -> Found:
    """Leave a folder of masks out where it stands beside one of images."""
    tops = {path.parts[0].lower() for path in found.paths}
    if not tops.intersection(_WRAPPERS) or not tops.intersection(_MASKS):
        return found
    kept = [path for path in found.paths if path.parts[0].lower() not in _MASKS]
    return Found(kept, found.n_ignored + len(found.paths) - len(kept))


def _wrapper_depth(paths: list[PurePosixPath]) -> int:
    """Return how many leading folders are common to all images and named like a mere wrapper."""
    depth = 0
    while all(len(path.parts) > depth + 1 for path in paths):
        names = {path.parts[depth] for path in paths}
        if len(names) != 1 or next(iter(names)).lower() not in _WRAPPERS:
            break
        depth += 1
    return depth


def _from_layout(layout: Layout, root: Path, allow_outside: bool) -> _Listing:
    found = find_images(root, allow_outside=allow_outside)
    columns = apply_layout(layout, found.paths, str(root))
    kept = [{"path": str(path), **more} for path, more in zip(found.paths, columns, strict=True) if more]
    skipped = [
        Skipped(str(path), f"its place is not {layout.expected}")
        for path, more in zip(found.paths, columns, strict=True)
        if not more
    ]
    return _Listing(pd.DataFrame(kept), root, skipped, found.n_ignored)


def _from_table(file: Path, columns_map: dict[str, str], allow_outside: bool) -> _Listing:
    frame = read_table(file, columns_map)
    for column in (name for name in ("path", "mask") if name in frame.columns):
        frame[column] = [None if cell is None else _portable(cell, file.parent) for cell in cells(frame, column)]
        if not allow_outside:
            _refuse_outside(cells(frame, column), file)
        _refuse_missing(cells(frame, column), file)
    _refuse_bad_boxes(frame, file)
    return _Listing(frame, file.parent, [])


def _portable(path: str, folder: Path) -> str:
    """Return a relative path that was written on Windows with forward slashes, unless such a file exists."""
    if os.name == "nt" or "\\" not in path or (folder / path).exists():
        return path
    return path.replace("\\", "/")


def _refuse_outside(paths: list[str | None], file: Path) -> None:
    """Refuse relative paths that leave the folder of the table, by ``..`` or through links."""
    root = file.parent.resolve()
    parents: dict[Path, bool] = {}
    for row, cell in enumerate(paths):
        if cell is None or PurePath(cell).is_absolute():
            continue
        full = file.parent / cell
        if full.parent not in parents:
            parents[full.parent] = full.parent.resolve().is_relative_to(root)
        leaves = not parents[full.parent] or ".." in full.name or full.is_symlink()
        if leaves and not full.resolve().is_relative_to(root):
            raise CytosaeError(
                f"The table {file} names {cell} in {rows_phrase([row])}, which leaves its folder.",
                "Allow it with --allow-outside, or give the absolute path.",
            )


def _refuse_missing(paths: list[str | None], file: Path) -> None:
    missing = [(row, cell) for row, cell in enumerate(paths) if cell is not None and not (file.parent / cell).exists()]
    if missing:
        shown = ", ".join(cell for _, cell in missing[:3])
        raise CytosaeError(
            f"The table {file} names {len(missing)} of {len(paths)} files that do not exist "
            f"({shown}{', …' if len(missing) > 3 else ''}; {rows_phrase([row for row, _ in missing])}).",
            f"Relative paths start at {file.parent}.",
        )


def _refuse_bad_boxes(frame: pd.DataFrame, file: Path) -> None:
    """Check every box against the header of its image; unreadable images are left to `check`."""
    if "x0" not in frame.columns:
        return
    boxes = row_boxes(frame)
    rows = [row for row, box in enumerate(boxes) if box is not None]
    full = [file.parent / path for path in cells(frame, "path")]
    boxed = list(dict.fromkeys(full[row] for row in rows))
    sizes = dict(zip(boxed, map_threads(_size_or_none, boxed), strict=True))
    for row in rows:
        size, box = sizes[full[row]], boxes[row]
        problem = None if size is None or box is None else box_problem(box, *size)
        if problem is not None:
            raise CytosaeError(
                f"The table {file}, {rows_phrase([row])}, {full[row].name}: {problem}.",
                "Boxes are x0 y0 x1 y1 in pixels, half-open.",
            )


def _size_or_none(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except UnreadableImage:
        return None


def _refuse_bad_ids(frame: pd.DataFrame, source: str) -> None:
    empty = [row for row, value in enumerate(cells(frame, "id")) if value is None]
    if empty:
        raise CytosaeError(f"The table {source} has an empty `id` in {rows_phrase(empty)}.", "Fill it or drop `id`.")
    counts = frame["id"].value_counts()
    twice = [str(name) for name in counts.index[counts > 1]]
    if twice:
        shown = ", ".join(sorted(twice)[:5])
        raise CytosaeError(
            f"The table {source} has {len(twice)} duplicate ids ({shown}{', …' if len(twice) > 5 else ''}).",
            "Ids name one row each; drop the column to have them computed.",
        )


def _add_ids(listing: _Listing, workers: int | None, progress: Progress | None) -> list[str]:
    """Set `id` to the content key and leave repeated content out; return the keys of the rows kept."""
    frame = listing.frame
    boxes = row_boxes(frame)
    keys = content_keys(
        [listing.root / path for path in cells(frame, "path")], boxes, workers=workers, progress=progress
    )
    frame["id"] = keys
    repeated = frame["id"].duplicated()
    if repeated.any():
        first = {row["id"]: row for row in frame[~repeated].to_dict("records")}
        again = frame[repeated].to_dict("records")
        listing.skipped += [_duplicate(row, first[row["id"]]) for row in again]
        listing.frame = frame[~repeated].reset_index(drop=True)
    return [str(value) for value in listing.frame["id"]]


def _duplicate(row: dict[Hashable, Any], first: dict[Hashable, Any]) -> Skipped:
    reason = f"it has the same content as {first['path']}"
    if row.get("label") != first.get("label"):
        reason += f", but is labelled {row['label']} instead of {first['label']}"
    return Skipped(str(row["path"]), reason)
