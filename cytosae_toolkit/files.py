"""Atomic writes: a kill at any moment leaves the old state or the new one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cytosae_toolkit.errors import CytosaeError


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder for fsync
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def explain_disk_errors(path: Path, forbidden: str = "Choose another folder.") -> Iterator[None]:
    """Turn a full disk or a forbidden folder into a sentence for the user; `forbidden` says what to do about it."""
    try:
        yield
    except OSError as error:
        import errno

        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CytosaeError(
                f"The disk is full: {path} could not be written; what was complete before is kept.",
                "Free some space and run the same command again with --resume.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise CytosaeError(f"{path} cannot be written: {error.strerror}.", forbidden) from error
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success fsync it and rename it into place.

    Parameters
    ----------
    path : Path
        The final file. Its folder must exist.

    Yields
    ------
    Path
        Where to write. Removed if the block raises.
    """
    path = Path(path)
    with explain_disk_errors(path):
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(fd)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("r+b") as handle:
                os.fsync(handle.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _fsync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented, NaN refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file, or say in one sentence why not."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CytosaeError(f"{path} does not exist.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CytosaeError(f"{path} is not readable JSON: {error}.") from error


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success rename it to `path`.

    Files inside are synced to disk first, so that the folder, once visible, is whole.

    Parameters
    ----------
    path : Path
        The final folder.
    replace : bool
        Take the place of a folder that exists; without it `path` must not exist.
    """
    path = Path(path)
    with explain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    with file.open("r+b") as handle:
                        os.fsync(handle.fileno())
                    file.chmod(0o666 & ~_umask())  # safetensors writes files that nobody else may read
            temporary.chmod(0o777 & ~_umask())
            if replace and path.exists():
                path.replace(_aside(path))
            temporary.replace(path)
            _fsync_folder(path.parent)
            shutil.rmtree(_aside(path), ignore_errors=True)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old.tmp")


def restore_replaced(path: Path) -> None:
    """Put a folder back whose replacement by `atomic_folder` was killed between its two renames."""
    if _aside(path).is_dir() and not path.exists():
        _aside(path).replace(path)


def is_leftover(path: Path) -> bool:
    """Return whether a file or folder is what `atomic_path` or `atomic_folder` left behind when it was killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")
