"""Size and hash of every file of an atlas, so that damage is found: Zarr reads a chunk that is gone as zeros.

``checksums.json`` is written last. It holds ``{"algorithm": "blake2b-128", "files": {NAME: [BYTES, HASH]}}`` with names
relative to the atlas, ``/`` between folders. Annotations and hidden files of other programs are not listed.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from cytosae_toolkit.errors import CytosaeError

CHECKSUMS = "checksums.json"
"""Name of the file within an atlas."""

ALGORITHM = "blake2b-128"
NOT_LISTED = (CHECKSUMS, "names.jsonl")

Checksums = dict[str, tuple[int, str]]
"""Name of each file → its size in bytes and its hash in hexadecimal."""


def checksums_of(files: Iterable[tuple[str, Path]]) -> Checksums:
    """Return size and hash of files, each read once and never held as a whole.

    Parameters
    ----------
    files : iterable of (str, Path)
        Name within the atlas, and where the file lies.
    """
    found: Checksums = {}
    for name, path in files:
        with path.open("rb") as source:
            found[name] = _measure(source)
    return found


def checksums_text(found: Mapping[str, tuple[int, str]]) -> str:
    """Return what `CHECKSUMS` holds: the same files give the same text."""
    return json.dumps({"algorithm": ALGORITHM, "files": dict(sorted(found.items()))}, indent=0) + "\n"


def write_checksums(folder: Path) -> None:
    """Record every file of an atlas that is not published yet; nothing may be written to it afterwards."""
    files = ((name, folder / name) for name in _names_in_folder(folder))
    (folder / CHECKSUMS).write_text(checksums_text(checksums_of(files)), encoding="utf-8")


def read_checksums(path: Path) -> Checksums | None:
    """Return what an atlas records of its files, or None if it was written before files were recorded.

    Parameters
    ----------
    path : Path
        The atlas: a folder or a ZIP.

    Raises
    ------
    CytosaeError
        If the record cannot be understood.
    """
    text = _read_text(path)
    if text is None:
        return None
    try:
        document = json.loads(text)
        if document["algorithm"] != ALGORITHM:
            raise ValueError(document["algorithm"])
        return {str(name): (int(size), str(digest)) for name, (size, digest) in document["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CytosaeError(
            f"{CHECKSUMS} of the atlas {path} is damaged.", "Copy it again from where it came."
        ) from error


def _read_text(path: Path) -> bytes | None:
    if path.is_dir():
        file = path / CHECKSUMS
        return file.read_bytes() if file.is_file() else None
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(CHECKSUMS) if CHECKSUMS in archive.namelist() else None
    except (zipfile.BadZipFile, OSError) as error:
        raise CytosaeError(f"{CHECKSUMS} of the atlas {path} cannot be read: {error}.") from error


def file_problems(path: Path) -> list[str]:
    """Return what is wrong with the files of an atlas, a sentence each.

    Every file is read and compared with what is recorded; in a ZIP its CRC is tested too, recorded or not.

    Raises
    ------
    CytosaeError
        If the record of the files cannot be understood.
    """
    recorded = read_checksums(path)
    present = set(_names_in_folder(path) if path.is_dir() else _names_in_zip(path))
    problems = [] if recorded is None else [f"{name} is missing." for name in sorted(recorded.keys() - present)]
    with ExitStack() as stack:
        archive = None if path.is_dir() else stack.enter_context(zipfile.ZipFile(path))
        for name in sorted(present):
            if recorded is not None and name not in recorded:
                problems.append(f"{name} does not belong to the atlas.")
            elif archive is not None or recorded is not None:
                problems += _problem_of(path, archive, name, recorded)
    return problems


def _problem_of(path: Path, archive: zipfile.ZipFile | None, name: str, recorded: Checksums | None) -> list[str]:
    try:
        with (path / name).open("rb") if archive is None else archive.open(name) as source:
            size, digest = _measure(source)
    except Exception as error:  # a bad CRC, or whatever the decompressor raises
        return [f"{name} cannot be read: {error}."]
    if recorded is None or (size, digest) == recorded[name]:
        return []
    before = recorded[name][0]
    return [f"{name} has changed" + (f": {size:,} bytes instead of {before:,}." if size != before else ".")]


def _measure(source: BinaryIO | Any) -> tuple[int, str]:
    digest, size = hashlib.blake2b(digest_size=16), 0
    while piece := source.read(1 << 20):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()


def _names_in_folder(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and _is_listed(name):
            yield name


def _names_in_zip(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        yield from (name for name in archive.namelist() if not name.endswith("/") and _is_listed(name))


def _is_listed(name: str) -> bool:
    return name not in NOT_LISTED and not name.rpartition("/")[2].startswith(".")
