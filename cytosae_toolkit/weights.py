"""Published weights: downloaded once, checked, and kept in the cache.

A file lies in ``<cache>/weights`` beside ``<name>.json``, which records where it came from and its SHA-256.
`CYTOSAE_CACHE` moves the cache; `CYTOSAE_WEIGHTS_URL` names a mirror from which files are taken instead.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.errors import CytosaeError, nearest
from cytosae_toolkit.files import explain_disk_errors, read_json, write_json
from cytosae_toolkit.interfaces.specs import CHECKSUM, BackboneSpec, WeightsFile
from cytosae_toolkit.progress import SILENT, Progress

_shown: ContextVar[Progress] = ContextVar("downloads", default=SILENT)


@dataclass(frozen=True)
class CatalogueEntry:
    """A file of weights that an installed backbone uses, and whether it is here.

    Parameters
    ----------
    backbone : str
        Name of the backbone.
    name, url : str
        File name; where it is downloaded from.
    path : str
        Where it lies, or will lie.
    cached : bool
        Whether it is there.
    size : int or None
        Bytes; None if not known.
    checksum : str or None
        What it was, or will be, compared with; None if only the publisher's record can tell.
    sha256 : str or None
        Of the cached file.
    license, citation : str
        Of the weights.
    """

    backbone: str
    name: str
    url: str
    path: str
    cached: bool
    size: int | None
    checksum: str | None
    sha256: str | None
    license: str
    citation: str


@contextmanager
def show_downloads(progress: Progress) -> Iterator[None]:
    """Show the downloads of this block, such as those of a backbone's factory, by `progress`."""
    token = _shown.set(progress)
    try:
        yield
    finally:
        _shown.reset(token)


def weights_folder() -> Path:
    """Return where downloaded weights are kept; it need not exist yet."""
    return cache_folder() / "weights"


def weights_path(file: WeightsFile) -> Path:
    """Return where a file of weights lies once it is downloaded."""
    return weights_folder() / file.name


def source_url(file: WeightsFile) -> str:
    """Return where a file is downloaded from: its own URL, or the mirror of `CYTOSAE_WEIGHTS_URL`."""
    mirror = _mirror()
    return f"{mirror}/{file.name}" if mirror else file.url


def _mirror() -> str:
    return os.environ.get("CYTOSAE_WEIGHTS_URL", "").strip().rstrip("/")


def catalogue() -> list[CatalogueEntry]:
    """Return the files of weights of all installed backbones."""
    return [_entry(spec, file) for spec, file in _published()]


def find_weights(name: str) -> WeightsFile:
    """Return the file of a backbone, such as ``"dinobloom-b"``, or of that file name.

    Raises
    ------
    CytosaeError
        If nothing is published under that name.
    """
    published = _published()
    for spec, file in published:
        if name in (spec.name, file.name):
            return file
    raise CytosaeError(f"There are no weights named {name!r}.", nearest(name, [spec.name for spec, _ in published]))


def fetch_weights(file: WeightsFile, *, offline: bool = False, progress: Progress | None = None) -> Path:
    """Return the local path of a file of weights, downloading it if it is not there.

    A download that was cut off resumes. It is compared with the checksum that is known, else with the one
    that the publisher states; a file that differs is deleted. A file that was put into the folder by hand is
    compared with the known checksum, and never deleted.

    Parameters
    ----------
    file : WeightsFile
        What to fetch.
    offline : bool
        Forbids the download.
    progress : Progress, optional
        Is shown the download; default: what `show_downloads` set.

    Returns
    -------
    Path
        The file in the cache.

    Raises
    ------
    CytosaeError
        If it is absent and cannot be downloaded, or differs from its checksum.
    """
    path = weights_path(file)
    if not path.exists():
        if offline:
            raise CytosaeError(
                f"The weights {file.name} are not here, and --offline forbids the download.", _by_hand(file)
            )
        _download_locked(file, path, _shown.get() if progress is None else progress)
    _check_cached(file, path)
    return path


def _by_hand(file: WeightsFile) -> str:
    return f"Download {file.url} by hand to {weights_path(file)}, or give it with -B checkpoint=PATH."


def _download_locked(file: WeightsFile, path: Path, progress: Progress) -> None:
    """Let one process download; the others wait and find the file."""
    with explain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path.with_name(f"{path.name}.lock")):
            if not path.exists():
                _download(file, path, progress)


def _download(file: WeightsFile, path: Path, progress: Progress) -> None:
    from cytosae_toolkit.download import DownloadError, download

    url, arrived = source_url(file), path.with_name(f"{path.name}.arrived")
    logging.getLogger(__name__).info("Downloading %s from %s", file.name, url)
    try:
        if not arrived.exists():
            download(url, arrived, progress=progress)
    except DownloadError as error:
        raise CytosaeError(error.message, _by_hand(file)) from error
    expected = file.checksum or published_checksum(file)
    if expected is None:
        progress.message(f"No checksum of {file.name} is known; its own is recorded and checked from now on.")
    elif not _matches(arrived, expected):
        arrived.unlink()
        message = f"The download of {url} does not match its checksum {expected} and was deleted."
        raise CytosaeError(message, f"Try again. {_by_hand(file)}")
    _record(arrived, path, url, expected)
    arrived.replace(path)


def published_checksum(file: WeightsFile) -> str | None:
    """Ask the publisher's record for the checksum of a file; None where it does not answer or know.

    Returns
    -------
    str or None
        ``"md5:<hex>"`` or ``"sha256:<hex>"``.
    """
    import requests

    if file.record is None or _mirror():
        return None
    try:
        answer = requests.get(file.record, timeout=15)
        answer.raise_for_status()
        checksums = {entry["key"]: str(entry["checksum"]) for entry in answer.json()["files"]}
    except (requests.exceptions.RequestException, ValueError, KeyError, TypeError):
        return None
    found = checksums.get(file.name, "")
    return found if CHECKSUM.fullmatch(found) else None


def _matches(path: Path, checksum: str) -> bool:
    algorithm, _, expected = checksum.partition(":")
    return _digest(path, algorithm) == expected


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _record(content: Path, path: Path, url: str, checksum: str | None) -> None:
    """Write beside `path` what is known of its content."""
    stat = content.stat()
    entry = {
        "url": url,
        "checked_against": checksum,
        "sha256": _digest(content, "sha256"),
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(_record_path(path), entry)


def _check_cached(file: WeightsFile, path: Path) -> None:
    """Refuse a cached file that is not what was downloaded; it is read only if size or time changed."""
    stat, record = path.stat(), _record_path(path)
    known = read_json(record) if record.exists() else None
    if known is not None and (known["size"], known["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns):
        return
    expected = file.checksum or (None if known is None else f"sha256:{known['sha256']}")
    if expected is not None and not _matches(path, expected):
        raise CytosaeError(
            f"The weights {path} do not match their checksum {expected}.",
            f"Delete the file and run `cytosae-toolkit weights fetch {file.name}`.",
        )
    _record(path, path, "by hand" if known is None else known["url"], expected)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a file lock between processes; it vanishes with its process."""
    with path.open("a+b") as file:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _published() -> list[tuple[BackboneSpec, WeightsFile]]:
    from cytosae_toolkit.plugins import registry

    specs = [part.spec for part in registry().parts("backbone")]
    return [(spec, file) for spec in specs if isinstance(spec, BackboneSpec) for file in spec.weights]


def _entry(spec: BackboneSpec, file: WeightsFile) -> CatalogueEntry:
    path = weights_path(file)
    known = read_json(_record_path(path)) if path.exists() and _record_path(path).exists() else {}
    return CatalogueEntry(
        backbone=spec.name,
        name=file.name,
        url=source_url(file),
        path=str(path),
        cached=path.exists(),
        size=path.stat().st_size if path.exists() else file.size,
        checksum=known.get("checked_against") or file.checksum,
        sha256=known.get("sha256"),
        license=spec.weights_license,
        citation=spec.citation,
    )
