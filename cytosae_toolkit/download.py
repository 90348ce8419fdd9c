"""One large file over HTTP that resumes where it was cut off."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json, write_json
from cytosae_toolkit.progress import SILENT, Progress

CONNECT_TIMEOUT = 15.0
READ_TIMEOUT = 60.0
ATTEMPTS = 4
"""How often a transfer that is cut off, or refused by a busy server, goes on before the user is asked."""

PAUSE = 1.0
"""Seconds before the second attempt, doubled for each further one."""

CHUNK = 1 << 16
"""Bytes written at once, and lost at most when a connection is cut off."""

_BUSY = (429, 500, 502, 503, 504)


class DownloadError(CytosaeError):
    """A download failed; what arrived is kept and the next attempt goes on from there."""


class _Interrupted(Exception):
    """Worth another attempt."""


@dataclass(frozen=True)
class _Transfer:
    """What a server says of the file that it sends."""

    start: int
    total: int | None
    validator: str | None


def download(url: str, path: Path, *, progress: Progress = SILENT) -> None:
    """Download a file; a transfer that was cut off, now or in an earlier session, resumes.

    What has arrived lies in ``<path>.part``. It is continued only if the server still has the very same file,
    by its ETag or time stamp; otherwise the transfer starts again.

    Parameters
    ----------
    url : str
        ``https://…`` or ``http://…``.
    path : Path
        Where the whole file goes, in one step; its folder must exist.
    progress : Progress
        Is shown the bytes.

    Raises
    ------
    DownloadError
        If there is no such file or server, the transfer keeps being cut off, or the disk is full.
    """
    for attempt in range(ATTEMPTS):
        try:
            _transfer(url, path, progress)
        except _Interrupted as reason:
            if attempt == ATTEMPTS - 1:
                raise DownloadError(f"The download of {url} stopped: {reason}; what arrived is kept.") from reason
            time.sleep(PAUSE * 2**attempt)
        else:
            part_path(path).replace(path)
            _note_path(path).unlink(missing_ok=True)
            return


def part_path(path: Path) -> Path:
    """Return where an unfinished download of `path` lies."""
    return path.with_name(f"{path.name}.part")


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.part.json")


def _transfer(url: str, path: Path, progress: Progress) -> None:
    """Receive what is missing of the file."""
    try:
        with requests.get(
            url, headers=_headers(url, path), stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)
        ) as response:
            if response.status_code == 416:  # what we hold does not lie within the server's file
                part_path(path).unlink(missing_ok=True)
                raise _Interrupted("the file has changed on the server")
            _check_status(response, url)
            _receive(response, url, path, progress)
    except requests.exceptions.ConnectTimeout as error:
        raise DownloadError(f"{_host(url)} does not answer.") from error
    except requests.exceptions.Timeout as error:
        raise _Interrupted("the server sent nothing for a minute") from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise _Interrupted("the connection was cut off") from error
    except requests.exceptions.ConnectionError as error:
        if part_path(path).exists():
            raise _Interrupted(f"the connection to {_host(url)} broke") from error
        raise DownloadError(f"{_host(url)} cannot be reached.") from error
    except requests.exceptions.RequestException as error:
        raise DownloadError(f"{url} cannot be downloaded: {type(error).__name__}.") from error


def _host(url: str) -> str:
    return urlsplit(url).netloc or url


def _headers(url: str, path: Path) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    part, note = part_path(path), _note_path(path)
    if part.exists() and note.exists():
        known = read_json(note)
        if known.get("url") == url and known.get("validator"):
            headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": known["validator"]}
    return headers


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in _BUSY:
        raise _Interrupted(f"the server answered {status} ({response.reason})")
    if status in (404, 410):
        raise DownloadError(f"There is no file at {url} ({status}).")
    if status not in (200, 206):
        raise DownloadError(f"The server refused {url}: {status} {response.reason}.")


def _receive(response: requests.Response, url: str, path: Path, progress: Progress) -> None:
    transfer = _describe(response)
    _check_space(transfer, path)
    part = part_path(path)
    if transfer.start == 0:
        write_json(_note_path(path), {"url": url, "validator": transfer.validator, "total": transfer.total})
    if transfer.start and transfer.start != part.stat().st_size:
        raise DownloadError(f"The server of {url} continued at another place than was asked.")
    description, total = f"Downloading {path.name}", transfer.total or 0
    with progress.task(description, total, "bytes", done=transfer.start) as task:
        for n_bytes in _append(response, part, transfer.start):
            task.advance(n_bytes)
    arrived = part.stat().st_size
    if transfer.total is not None and arrived != transfer.total:
        raise _Interrupted(f"the connection was cut off after {arrived:,} of {transfer.total:,} bytes")


def _append(response: requests.Response, part: Path, start: int) -> Iterator[int]:
    try:
        with part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                yield len(chunk)
    except OSError as error:
        if isinstance(error, requests.exceptions.RequestException):
            raise
        what = "The disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"{error.strerror}"
        raise DownloadError(f"{what}: {part} could not be written.", "What arrived is kept.") from error


def _describe(response: requests.Response) -> _Transfer:
    etag = response.headers.get("ETag", "")
    strong = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
    length = response.headers.get("Content-Length", "")
    remaining = int(length) if length.isdigit() else None
    start = 0
    if response.status_code == 206:
        start = _range_start(response.headers.get("Content-Range", ""))
    return _Transfer(start, None if remaining is None else start + remaining, strong)


def _range_start(content_range: str) -> int:
    """Return 100 of ``bytes 100-199/200``."""
    first = content_range.removeprefix("bytes ").partition("-")[0]
    if not first.isdigit():
        raise DownloadError("The server continues the file without saying where.")
    return int(first)


def _check_space(transfer: _Transfer, path: Path) -> None:
    if transfer.total is None:
        return
    missing, free = transfer.total - transfer.start, shutil.disk_usage(path.parent).free
    if missing > free:
        raise DownloadError(
            f"The disk is full: {path.name} needs {missing / 1e6:,.0f} MB more in {path.parent}, "
            f"where {free / 1e6:,.0f} MB are free."
        )
