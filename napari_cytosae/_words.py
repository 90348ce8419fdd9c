"""Sentences of the engine in a hematologist's words. No Qt."""

from __future__ import annotations

import re

_TERMS = {"latent": "concept", "latents": "concepts", "SAE": "model"}
_TERM = re.compile(r"(?<![\w/.-])(latents?|SAE)(?![\w/-]|\.\w)", re.IGNORECASE)


def plain_words(sentence: str) -> str:
    """Return a sentence with the field's terms in plain words; parts of paths and options stay.

    Parameters
    ----------
    sentence : str
        Such as ``"Latent 7 is active on no image."``.
    """
    return _TERM.sub(_plain, sentence)


def _plain(found: re.Match[str]) -> str:
    term = found.group()
    word = _TERMS.get(term) or _TERMS.get(term.lower(), term)
    return word.capitalize() if term[0].isupper() and term != "SAE" else word
