"""The file of annotations: one JSON object a line, only ever appended to, shared by several processes.

A line holds ``latent, name, note, verdict, author, time, sae`` (an `Annotation`), ``change`` (equal for all lines of
one call) and, where a change was taken back, ``undoes`` (the change that it takes back)::

    {"latent": 12, "name": "Auer rods", "note": "", "verdict": "concept", "author": "mk", "time": "2026-…", …}

Lines of SAEs with another fingerprint are kept and ignored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import explain_disk_errors, write_text

VERDICTS = ("concept", "artefact", "mixed", "unclear")

_LOCK_SECONDS = 30
_FORBIDDEN = "Names are kept beside the atlas: make that folder writable, or copy the atlas to one that is."
_TEXTS = ("name", "note", "verdict", "author", "time", "sae")


@dataclass(frozen=True)
class Annotation:
    """What somebody said about a latent.

    Parameters
    ----------
    latent : int
        Index of the latent.
    name, note : str
        Free text, "" where none.
    verdict : str
        One of `VERDICTS`, or "".
    author : str
        Who said it.
    time : str
        When, ISO 8601, UTC.
    sae : str
        Fingerprint of the SAE.
    """

    latent: int
    name: str
    note: str
    verdict: str
    author: str
    time: str
    sae: str

    @property
    def empty(self) -> bool:
        """Whether it clears what was said before: neither name nor verdict."""
        return not self.name and not self.verdict


@dataclass(frozen=True)
class Line:
    """One line of the file: an annotation, the change it belongs to, and the change that it takes back."""

    annotation: Annotation
    change: str
    undoes: str = ""


def parse_lines(content: bytes, source: str) -> tuple[list[Line], list[str]]:
    """Read the content of a file of annotations.

    Parameters
    ----------
    content : bytes
        The file. A last line that was cut off, because its writer was killed or is still at it, is left out.
    source : str
        Where it comes from, for messages.

    Returns
    -------
    list of Line
        All that could be read.
    list of str
        One sentence for each damaged line.
    """
    rows = content.split(b"\n")
    lines, problems = [], []
    for number, row in enumerate(rows, start=1):
        if not row.strip():
            continue
        try:
            lines.append(_parse(row))
        except (ValueError, RecursionError) as error:
            if number < len(rows):
                problems.append(f"Line {number} of {source} is damaged and left out: {error}.")
    return lines, problems


def _parse(row: bytes) -> Line:
    values = json.loads(row.decode("utf-8"))
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    latent = values.get("latent")
    if not isinstance(latent, int) or isinstance(latent, bool) or latent < 0:
        raise ValueError("it has no latent")
    texts = {name: _text(values, name) for name in (*_TEXTS, "change", "undoes")}
    if texts["verdict"] not in ("", *VERDICTS):
        raise ValueError(f"{texts['verdict']!r} is no verdict")
    annotation = Annotation(latent, **{name: texts[name] for name in _TEXTS})
    return Line(annotation, texts["change"], texts["undoes"])


def _text(values: dict[str, Any], name: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from appending within the block.

    Raises
    ------
    CytosaeError
        If another process holds the lock for half a minute, or the folder cannot be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS)
    with explain_disk_errors(path, _FORBIDDEN):
        try:
            lock.acquire()
        except Timeout:
            raise CytosaeError(
                f"Another program has been writing to {path} for {_LOCK_SECONDS} seconds.", "Close it and try again."
            ) from None
    try:
        yield
    finally:
        lock.release()


def append_lines(path: Path, lines: Sequence[Line]) -> None:
    """Append lines in one write and sync them to disk; call it within `locked`.

    Raises
    ------
    CytosaeError
        If the disk is full or the file cannot be written.
    """
    text = "".join(json.dumps(_values(line), ensure_ascii=False) + "\n" for line in lines)
    with explain_disk_errors(path, _FORBIDDEN):
        if not path.exists():
            write_text(path, "")
        elif _is_cut_off(path):
            text = "\n" + text
        _append(path, text.encode("utf-8"))


def _values(line: Line) -> dict[str, Any]:
    values = {**asdict(line.annotation), "change": line.change}
    return {**values, "undoes": line.undoes} if line.undoes else values


def _is_cut_off(path: Path) -> bool:
    with path.open("rb") as handle:
        if not handle.seek(0, os.SEEK_END):
            return False
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) != b"\n"


def _append(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        while content:
            content = content[os.write(fd, content) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def latest(lines: Sequence[Line]) -> dict[int, Annotation]:
    """Return the last annotation of each latent that has one, in the order of latents."""
    last = {line.annotation.latent: line.annotation for line in lines}
    return {latent: last[latent] for latent in sorted(last) if not last[latent].empty}


def standing(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of changes that were not taken back."""
    undone = {line.undoes for line in lines if line.undoes}
    return [line for line in lines if not line.undoes and line.change not in undone]


def stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Return what changes whenever a file does; None where there is no file."""
    if path is None:
        return None
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
