"""Sentences of the engine in a hematologist's words. No Qt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cytosae_toolkit.errors import CytosaeError

_TERMS = {"latent": "concept", "latents": "concepts", "SAE": "model"}
_TERM = re.compile(r"(?<![\w/.-])(latents?|SAE)(?![\w/-]|\.\w)", re.IGNORECASE)
_AGAIN = ("run the same command again with --resume", "do the same again")
_TERMINAL = re.compile(r"(^|\s)--[a-z]|`|\btrain …")


def called(latent: int, name: str) -> str:
    """Return how a concept is called on screen: its name and number, or "candidate concept 417"."""
    return f"{name} ({latent})" if name else f"candidate concept {latent}"


def spoken(error: CytosaeError) -> str:
    """Return what an error says in plain words, without advice that only a terminal can follow.

    Parameters
    ----------
    error : CytosaeError
        Of the engine, whose hints may name options and commands.
    """
    hint = plain_words(error.hint or "")
    return plain_words(error.message) if not hint or _TERMINAL.search(hint) else f"{plain_words(error.message)} {hint}"


def plain_words(sentence: str) -> str:
    """Return a sentence with the field's terms in plain words; parts of paths and options stay.

    Parameters
    ----------
    sentence : str
        Such as ``"Latent 7 is active on no image."``.
    """
    return _TERM.sub(_plain, sentence.replace(*_AGAIN))


def _plain(found: re.Match[str]) -> str:
    term = found.group()
    word = _TERMS.get(term) or _TERMS.get(term.lower(), term)
    return word.capitalize() if term[0].isupper() and term != "SAE" else word
