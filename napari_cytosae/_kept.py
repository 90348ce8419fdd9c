"""What is remembered between sessions: preferences that napari keeps, and what was opened, read and begun. No Qt."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

from cytosae_toolkit.cache import cache_folder
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.files import read_json, write_json

PLUGIN = "cytosae-toolkit"
N_RECENT = 8
DEFAULTS: dict[str, Any] = {"author": "", "device": "auto", "opacity": 0.6}


def preference(name: str) -> Any:
    """Return a preference of the plugin: napari's where it has one, else the default."""
    try:
        from napari.settings import get_plugin_settings

        return getattr(get_plugin_settings(PLUGIN).viewer, name)
    except (ImportError, KeyError, AttributeError, OSError, ValueError):  # older napari; plugin not registered
        return DEFAULTS[name]


def author() -> str:
    """Return who names concepts: the preference, else the account's name."""
    try:
        return str(preference("author")).strip() or getpass.getuser()
    except (OSError, KeyError):  # no account, as in containers
        return os.environ.get("USER", "")


def recent() -> list[Path]:
    """Return what was opened last, newest first, as far as it is still there."""
    return [path for path in map(Path, _read().get("recent", [])) if path.exists()]


def remember(path: Path) -> None:
    """Put a path first among what was opened."""
    new = str(Path(path).expanduser().absolute())
    _write(recent=[new, *(str(old) for old in recent() if str(old) != new)][:N_RECENT])


def unfinished() -> dict[str, str] | None:
    """Return the lesson that was begun and not finished."""
    found = _read().get("lesson")
    return found if isinstance(found, dict) else None


def remember_lesson(lesson: dict[str, str] | None) -> None:
    """Note a lesson that was begun, or that none is open."""
    _write(lesson=lesson)


def picture() -> dict[str, Any] | None:
    """Return what is known of the picture that was read last: its file, its reader, what it was read with and how."""
    found = _read().get("picture")
    return found if isinstance(found, dict) and {"picture", "reader", "source", "kind"} <= found.keys() else None


def remember_picture(record: dict[str, Any]) -> None:
    """Note which picture was read last."""
    _write(picture=record)


def _path() -> Path:
    return cache_folder() / "viewer.json"


def _read() -> dict[str, Any]:
    try:
        found = read_json(_path())
    except (CytosaeError, OSError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(**changes: Any) -> None:
    try:
        _path().parent.mkdir(parents=True, exist_ok=True)
        write_json(_path(), _read() | changes)
    except (CytosaeError, OSError):  # a full or read-only disk costs the list, nothing else
        return
