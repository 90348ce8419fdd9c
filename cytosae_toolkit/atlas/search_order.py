"""In which order latents are listed: by relevance for a query, or by a column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cytosae_toolkit.atlas.query import Node, Words, texts_of
from cytosae_toolkit.atlas.search_fields import Fields
from cytosae_toolkit.errors import CytosaeError, nearest

_ASCENDING = ("label_entropy", "latent")


def by_relevance(fields: Fields, tree: Node, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return an order of rows by relevance, int [n].

    First comes the number itself, then the exact name, names that start so, words in the name, in the note, in the
    label; equals by mean activation.
    """
    score = np.zeros(len(fields), dtype=np.int64)
    for texts in texts_of(tree):
        score = np.maximum(score, _score(fields, [" ".join(text.casefold().split()) for text in texts]))
    return np.lexsort((rows, -_mean(fields)[rows], -score[rows]))


def by_column(fields: Fields, sort: str, descending: bool | None, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return an order of rows by a column, int [n]; undefined values come last, equals by mean activation.

    Parameters
    ----------
    fields : Fields
        Of the table of latents.
    sort : str
        A column or its short name.
    descending : bool, optional
        By default numbers descend, but entropy, latent and text ascend.
    rows : int array [n]
        Rows of the table.

    Raises
    ------
    CytosaeError
        If there is no such column.
    """
    keys, missing, ascending = _sort_keys(fields, sort, rows)
    down = not ascending if descending is None else descending
    return np.lexsort((rows, -_mean(fields)[rows], -keys if down else keys, missing))


def _score(fields: Fields, words: list[str]) -> NDArray[np.int64]:
    score, whole = np.zeros(len(fields), dtype=np.int64), " ".join(words)
    if (notes := fields.text("note")) is not None:
        score = np.maximum(score, 1 * notes.contains(words))
    if (names := fields.text("name")) is not None:
        score = np.maximum(score, 2 * names.contains(words))
        score = np.maximum(score, 3 * names.where(lambda text: text.startswith(whole)))
        score = np.maximum(score, 4 * names.where(lambda text: text == whole))
    if len(words) == 1:
        score = np.maximum(score, 5 * (fields.numbers == Words(whole).number))
    return score


def _mean(fields: Fields) -> NDArray[np.float64]:
    """Return mean activation with undefined as -inf, so that it comes last in descending order."""
    if "mean_activation" not in fields.latents.columns:
        return np.zeros(len(fields))
    mean = fields.number("mean_activation")
    return np.where(np.isnan(mean), -np.inf, mean)


def _sort_keys(fields: Fields, sort: str, rows: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[np.bool_], bool]:
    """Return numbers to sort rows by, which of them are undefined, and whether they ascend by default."""
    name = sort.lower()
    if name in fields.numeric_columns or name in fields.bool_columns:
        column = fields.numeric_columns.get(name, name)
        values = fields.number(column)[rows]
        missing = np.isnan(values)
        return np.where(missing, 0.0, values), missing, column in _ASCENDING
    if name in fields.text_columns:
        texts = fields.latents[fields.text_columns[name]].iloc[rows].astype("object").fillna("")
        folded = texts.map(lambda text: str(text).casefold())
        ranks = np.unique(folded.to_numpy(dtype=str), return_inverse=True)[1] if len(rows) else np.zeros(0)
        return ranks, (folded == "").to_numpy(), True
    names = [*fields.text_columns, *fields.numeric_columns, *fields.bool_columns]
    raise CytosaeError(f"There is no column {sort!r} to sort by.", nearest(name, names))
