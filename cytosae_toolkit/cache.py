"""Where downloads and tokens are kept between commands."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir


def cache_folder() -> Path:
    """Return the cache folder: `CYTOSAE_CACHE`, else the platform's own place; it need not exist yet."""
    chosen = os.environ.get("CYTOSAE_CACHE", "").strip()
    if chosen:
        return Path(chosen).expanduser()
    return Path(user_cache_dir("cytosae-toolkit", appauthor=False))
