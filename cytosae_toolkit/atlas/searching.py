"""Search over latents: which match a query, in which order.

A query that mentions no flag and no ``#number`` hides flagged latents, except those that it names by number. Undefined
(NaN) values match no comparison and come last in every order; ``NOT`` means all latents that its term does not match.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cytosae_toolkit.atlas.query import (
    Field,
    Latents,
    Node,
    nodes,
    numbers_of,
    parse,
)
from cytosae_toolkit.atlas.search_fields import Fields
from cytosae_toolkit.atlas.search_hints import hint_of
from cytosae_toolkit.atlas.search_matching import Evaluation
from cytosae_toolkit.atlas.search_order import by_column, by_relevance


def search(
    latents: pd.DataFrame,
    query: str,
    *,
    limit: int | None = 20,
    sort: str | None = None,
    descending: bool | None = None,
    hidden: bool = False,
) -> pd.DataFrame:
    """Find latents.

    Parameters
    ----------
    latents : pandas.DataFrame
        One row per latent, the index is its number; columns as `Atlas.latents` has them, absent ones count as empty.
    query : str
        See `cytosae_toolkit.atlas.query`; an empty one matches every latent.
    limit : int, optional
        How many at most; None means all.
    sort : str, optional
        A column or its short name; by default relevance, then mean activation.
    descending : bool, optional
        By default numbers descend, but entropy, latent and text ascend. Undefined values come last either way.
    hidden : bool
        Show flagged latents too; those with a name are always shown.

    Returns
    -------
    pandas.DataFrame
        The rows, best first. ``attrs["n_matches"]`` is how many match and are not hidden, ``attrs["n_hidden"]`` how
        many match and are hidden, ``attrs["hint"]`` what may have been meant where none matches, else "".

    Raises
    ------
    QueryError
        If the query cannot be understood; it says where and why.
    CytosaeError
        If `sort` is no column, or a latent is asked for by a number that does not exist.
    """
    matches = find(Fields(latents), query, sort=sort, descending=descending, hidden=hidden)
    found = latents.iloc[matches.rows[:limit]].copy()
    found.attrs = {"n_matches": len(matches.rows), "n_hidden": matches.n_hidden, "hint": matches.hint}
    return found


@dataclass(frozen=True, eq=False)
class Matches:
    """What a query finds.

    Parameters
    ----------
    rows : int64 array [n]
        Rows of the table that match and are not hidden, best first.
    n_hidden : int
        How many match and are hidden.
    hint : str
        What may have been meant where none matches, else "".
    """

    rows: NDArray[np.intp]
    n_hidden: int
    hint: str


def find(
    fields: Fields, query: str, *, sort: str | None = None, descending: bool | None = None, hidden: bool = False
) -> Matches:
    """Do what `search` does without copying the table; for those who search one table again and again.

    Parameters
    ----------
    fields : Fields
        Of the table; what it has read once it keeps.
    query, sort, descending, hidden
        As for `search`, which also says what is raised.
    """
    tree = parse(query)
    evaluation = Evaluation(fields, query)
    matches = evaluation.mask(tree)
    asked = np.isin(fields.numbers, numbers_of(tree))
    shown = matches if hidden or _mentions_flags(tree) else matches & (~fields.hidden | asked)
    rows = np.flatnonzero(shown)
    order = by_relevance(fields, tree, rows) if sort is None else by_column(fields, sort, descending, rows)
    hint = "" if matches.any() else hint_of(tree, fields, evaluation.mask)
    return Matches(rows[order], int(matches.sum()) - len(rows), hint)


def _mentions_flags(tree: Node) -> bool:
    return any(
        isinstance(node, Latents) or (isinstance(node, Field) and node.name.startswith("flag")) for node in nodes(tree)
    )
