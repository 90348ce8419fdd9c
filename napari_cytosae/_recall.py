"""What the viewer remembers between sessions: small JSON files, one per matter, in the cache folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cytosae_toolkit.atlas.reading import Atlas


def remembered(name: str) -> Any:
    """Return what was remembered under a name; None if there is nothing, or it cannot be read."""
    from cytosae_toolkit.errors import CytosaeError
    from cytosae_toolkit.files import read_json

    try:
        return read_json(memory_file(name))
    except (CytosaeError, OSError):
        return None


def remember(name: str, value: Any) -> None:
    """Keep a value under a name.

    Raises
    ------
    CytosaeError
        If it cannot be written.
    """
    from cytosae_toolkit.files import explain_disk_errors, write_json

    path = memory_file(name)
    with explain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, value)


def memory_file(name: str) -> Path:
    """Return the file of a name."""
    from cytosae_toolkit.cache import cache_folder

    return cache_folder() / "viewer" / f"{name}.json"


def atlas_key(atlas: Atlas) -> str:
    """Return what tells an atlas from others: where it lies and whose latents it describes."""
    text = f"{atlas.path.absolute()}\0{atlas.record['sae_fingerprint']}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
