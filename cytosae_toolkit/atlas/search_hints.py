"""Why a search finds nothing: a text that stands nowhere, or conditions that never hold together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.query import Field, Node, Words, nodes
from cytosae_toolkit.atlas.search_fields import FREE_TEXT, Fields

SHOWN = 8
"""Values that are named where none is near."""


def hint_of(tree: Node, fields: Fields, mask: Callable[[Node], NDArray[np.bool_]]) -> str:
    """Return what may have been meant by a query that matches no latent.

    Parameters
    ----------
    tree : Node
        The query.
    fields : Fields
        The latents.
    mask : callable
        From a part of the query to the latents that match it, bool [n].

    Returns
    -------
    str
        A sentence or two; "" where there is nothing to say.
    """
    terms = [node for node in nodes(tree) if isinstance(node, Words | Field)]
    for term in terms:
        if not mask(term).any() and (hint := _hint_of_term(term, fields)):
            return hint
    if len(terms) > 1 and all(mask(term).any() for term in terms):
        return "Each condition matches some latents, but none matches all of them."
    return ""


def _hint_of_term(term: Words | Field, fields: Fields) -> str:
    if isinstance(term, Words):
        texts = [text for name in FREE_TEXT if name in fields.text_columns for text in fields.values(name)]
        choices = texts if " " in term.text else [word for text in texts for word in re.findall(r"\w+", text)]
        if term.number is not None:
            return f"There is no latent {term.text}, and no name, note or label contains it."
        return f"No name, note or label contains {term.text!r}. {_nearest(term.text, choices)}".rstrip()
    if term.name not in fields.text_columns or term.name == "verdict":
        return ""
    value = term.values[0]
    return f"No {term.name} contains {value!r}. {_nearest(value, fields.values(term.name), offer=True)}".rstrip()


def _nearest(text: str, choices: Sequence[str], *, offer: bool = False) -> str:
    """Return which choices are written much like a text in any case, or if asked what choices there are."""
    known = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(text.casefold(), known, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(known[low] for low in close)}?"
    if not offer or not known:
        return ""
    names = sorted(known.values())
    return f"There are {', '.join(names[:SHOWN])}{' and more' if len(names) > SHOWN else ''}."
