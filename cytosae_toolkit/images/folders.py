"""Find the image files below a folder, in an order that is the same on every machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import SUFFIXES

_JUNK = ("__macosx",)


@dataclass
class Found:
    """What a search of a folder met.

    Attributes
    ----------
    paths : list of PurePosixPath
        Image files relative to the folder, sorted by their POSIX path.
    n_ignored : int
        Visible files that are not images, by their suffix. Hidden files are not counted.
    """

    paths: list[PurePosixPath] = field(default_factory=list)
    n_ignored: int = 0


def find_images(root: Path, *, allow_outside: bool = False) -> Found:
    """List the images below a folder; hidden files and folders are passed over.

    Parameters
    ----------
    root : Path
        An existing folder.
    allow_outside : bool
        Whether links that lead out of `root` are followed. Linked folders inside it are passed over: what
        they show is found where it lies.

    Returns
    -------
    Found
        Sorted relative paths.

    Raises
    ------
    CytosaeError
        A link leaves the folder, a folder cannot be read, or there is no image at all.
    """
    found = Found()
    visited = {root.resolve()}
    for relative in _files(root, PurePosixPath(), visited, allow_outside):
        if relative.suffix.lower() in SUFFIXES:
            found.paths.append(relative)
        else:
            found.n_ignored += 1
    if not found.paths:
        others = f" ({found.n_ignored} other files are there)" if found.n_ignored else ""
        raise CytosaeError(
            f"The folder {root} contains no images{others}.",
            f"Looked for {', '.join(SUFFIXES)} at any depth.",
        )
    found.paths.sort(key=str)
    return found


def _files(root: Path, inner: PurePosixPath, visited: set[Path], allow_outside: bool) -> Iterator[PurePosixPath]:
    try:
        entries = sorted(os.scandir(root / inner), key=lambda entry: entry.name)
    except OSError as error:
        raise CytosaeError(f"The folder {root / inner} cannot be read: {error.strerror}.") from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _JUNK:
            continue
        relative = inner / entry.name
        if entry.is_symlink():
            _refuse_outside(root, relative, allow_outside)
        if entry.is_dir():
            if not entry.is_symlink() or _is_new_outside(root, root / relative, visited):
                yield from _files(root, relative, visited, allow_outside)
        elif entry.is_file():
            yield relative


def _refuse_outside(root: Path, relative: PurePosixPath, allow_outside: bool) -> None:
    if not allow_outside and not (root / relative).resolve().is_relative_to(root.resolve()):
        raise CytosaeError(
            f"The link {root / relative} leaves its folder.",
            "Allow it with --allow-outside, or remove the link.",
        )


def _is_new_outside(root: Path, link: Path, visited: set[Path]) -> bool:
    target = link.resolve()
    if target in visited or target.is_relative_to(root.resolve()) or root.resolve().is_relative_to(target):
        return False
    visited.add(target)
    return True
