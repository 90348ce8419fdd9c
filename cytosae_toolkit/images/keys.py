"""Content keys: what identifies an image wherever its file lies and whatever it is called."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.images.decode import Box
from cytosae_toolkit.images.parallel import Progress, map_threads

KEY_BYTES = 16
"""Length of a key: blake2b with 128 bits, written as 32 hexadecimal digits."""


def file_keys(path: Path, boxes: Sequence[Box | None]) -> list[str]:
    """Hash a file once and return one key per box.

    A key is the blake2b hash of 128 bits, in hexadecimal, of the file's bytes and, for a box, of a zero byte
    and the ASCII text ``box:x0,y0,x1,y1``.

    Parameters
    ----------
    path : Path
        A regular file.
    boxes : sequence of Box or None
        The windows of this file that need a key.

    Raises
    ------
    CytosaeError
        The file cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CytosaeError(f"{path} is not a regular file.", "Remove it from the image table.")
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=KEY_BYTES))
    except OSError as error:
        raise CytosaeError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    return [_with_box(content.copy(), box) for box in boxes]


def _with_box(content: hashlib._Hash, box: Box | None) -> str:
    if box is not None:
        content.update(b"\0box:" + ",".join(map(str, box)).encode("ascii"))
    return content.hexdigest()


def content_keys(
    paths: Sequence[Path],
    boxes: Sequence[Box | None],
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Return the key of every row, reading each file once, in threads.

    Parameters
    ----------
    paths, boxes : sequences of one length
        File and window of each row.
    workers : int, optional
        Number of threads.
    progress : callable, optional
        Called with (files done, files in total).

    Returns
    -------
    list of str
        32 hexadecimal digits each, in row order.
    """
    rows_of: dict[Path, list[int]] = {}
    for row, path in enumerate(paths):
        rows_of.setdefault(path, []).append(row)
    jobs = list(rows_of.items())
    keys = [""] * len(paths)
    hashed = map_threads(lambda job: file_keys(job[0], [boxes[row] for row in job[1]]), jobs, workers=workers)
    for done, ((_, rows), found) in enumerate(zip(jobs, hashed, strict=True), 1):
        for row, key in zip(rows, found, strict=True):
            keys[row] = key
        if progress is not None:
            progress(done, len(jobs))
    return keys
