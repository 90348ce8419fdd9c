"""Memory that a process was given and no longer uses."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


def release_freed() -> None:
    """Give freed memory back to the system, where the C library can: glibc keeps what is freed in small pieces."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
