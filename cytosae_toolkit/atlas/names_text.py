"""The texts of an annotation: clean names and notes, known verdicts, and who is at work."""

from __future__ import annotations

import getpass
import os
import unicodedata

from cytosae_toolkit.atlas.names_file import VERDICTS
from cytosae_toolkit.errors import CytosaeError, nearest


def default_author() -> str:
    """Return who is at work: the environment variable ``CYTOSAE_AUTHOR``, else the user's login."""
    named = one_line(os.environ.get("CYTOSAE_AUTHOR", ""))
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container without an entry for its user
        return "unknown"


def check_verdict(text: str) -> str:
    """Return a verdict in lower case.

    Raises
    ------
    CytosaeError
        If it is neither one of `VERDICTS` nor "".
    """
    verdict = text.strip().lower()
    if verdict not in ("", *VERDICTS):
        raise CytosaeError(f"{text!r} is no verdict.", nearest(verdict, VERDICTS))
    return verdict


def clean(text: str) -> str:
    """Return text without control characters, invalid characters and white space around it; newlines stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc").strip()


def one_line(text: str) -> str:
    """Return `clean` text with each run of white space as one space."""
    return " ".join(clean(text).split())
