"""The fields of a search: short names, columns, and text that is compared without regard to case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

ALIASES = {
    "mean": "mean_activation",
    "log10mean": "log10mean",
    "frequency": "frequency",
    "freq": "frequency",
    "density": "density",
    "max": "max_activation",
    "entropy": "label_entropy",
    "share": "dominant_share",
    "precision": "best_precision",
    "n": "n_images",
    "groups": "n_groups",
    "references": "n_references",
    "patients": "n_reference_patients",
    "sets": "n_reference_sets",
    "border": "border_share",
    "centre": "off_centre",
    "colour": "colour_r2",
    "color": "colour_r2",
    "position": "position_r2",
    "auroc": "set_auroc",
    "reproducibility": "reproducibility",
    "area": "nuclear_area_r",
    "nc": "nc_ratio_r",
    "size": "cell_size_r",
    "latent": "latent",
}
"""Short name → numeric column."""
FLAGS = {"colour": "flag_colour", "position": "flag_position", "set": "flag_set", "few-cells": "flag_few_cells"}
TEXT_ALIASES = {"label": "dominant_label", "best": "best_label"}
"""Short name → text column."""
FREE_TEXT = ("name", "note", "dominant_label")
"""Where words are looked for; not in the best label, which is the commonest one for a latent active everywhere."""
SET_PREFIX = "mean_activation:"
"""Columns with this prefix and the name of an image set hold the mean activation on it."""


class TextColumn:
    """A text column of few different values: what is asked of it is answered once per value.

    Parameters
    ----------
    column : pandas.Series
        Text; missing values count as "".
    """

    def __init__(self, column: pd.Series) -> None:
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, values = column.cat.codes.to_numpy(), column.cat.categories
        else:
            codes, values = pd.factorize(column)
        self._codes = np.asarray(codes, dtype=np.intp)  # -1, missing, is the last value
        self._texts = [str(value).casefold() for value in values] + [""]

    def where(self, test: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Return for each row, bool [n], whether its text in folded case passes a test."""
        return np.array([test(text) for text in self._texts])[self._codes]

    def contains(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """Return for each row whether it contains all of some texts in folded case."""
        return self.where(lambda text: all(word in text for word in words))


class Fields:
    """The columns of a table of latents, as queries name them.

    Parameters
    ----------
    latents : pandas.DataFrame
        One row per latent; the index is its number.
    """

    def __init__(self, latents: pd.DataFrame) -> None:
        self.latents = latents
        self._texts: dict[str, TextColumn] = {}

    def __len__(self) -> int:
        return len(self.latents)

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """Latent of each row, int64 [n]."""
        return self.latents.index.to_numpy(dtype=np.int64)

    @cached_property
    def numeric_columns(self) -> dict[str, str]:
        """Every name of a numeric field → column, short names first."""
        own = [c for c in self.latents.columns if _is_number(self.latents[c]) and ":" not in c]
        there = {*own, "latent", *(["log10mean"] if "mean_activation" in own else [])}
        return {name: c for name, c in ALIASES.items() if c in there} | {c: c for c in own}

    @cached_property
    def bool_columns(self) -> list[str]:
        """Columns of yes and no."""
        return [c for c in self.latents.columns if pd.api.types.is_bool_dtype(self.latents[c])]

    @cached_property
    def text_columns(self) -> dict[str, str]:
        """Every name of a text field → column, short names first."""
        numbers = set(self.numeric_columns.values()) | set(self.bool_columns)
        own = [c for c in self.latents.columns if c not in numbers and ":" not in c]
        return {name: c for name, c in TEXT_ALIASES.items() if c in own} | {c: c for c in own}

    @cached_property
    def sets(self) -> list[str]:
        """Image sets of whose mean activation there is a column."""
        return [c.removeprefix(SET_PREFIX) for c in self.latents.columns if c.startswith(SET_PREFIX)]

    @property
    def names(self) -> list[str]:
        """All that may stand before an operator."""
        special = ["named", "flag", *(["set"] if self.sets else [])]
        return [*self.text_columns, *special, *self.numeric_columns, *self.bool_columns]

    def text(self, column: str) -> TextColumn | None:
        """Return a text column, None where the table lacks it."""
        return self._text(column) if column in self.latents.columns else None

    def text_field(self, name: str) -> TextColumn:
        """Return the column of a text field."""
        return self._text(self.text_columns[name])

    def _text(self, column: str) -> TextColumn:
        if column not in self._texts:
            self._texts[column] = TextColumn(self.latents[column])
        return self._texts[column]

    def number(self, column: str) -> NDArray[np.float64]:
        """Return a numeric column, float64 [n]; what is undefined is NaN."""
        if column == "latent":
            return self.numbers.astype(np.float64)
        if column == "log10mean":
            mean = self.number("mean_activation")
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.where(mean > 0, np.log10(mean), np.nan)
        return np.asarray(self.latents[column].to_numpy(dtype=np.float64, na_value=np.nan))

    def flag(self, column: str) -> NDArray[np.bool_]:
        """Return a column of yes and no, bool [n]; no where the table lacks it or nothing is known."""
        if column not in self.latents.columns:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(self.latents[column].fillna(False).to_numpy(dtype=bool))

    @cached_property
    def flagged(self) -> NDArray[np.bool_]:
        """Whether each latent has any flag, bool [n]."""
        return np.asarray(np.logical_or.reduce([self.flag(column) for column in FLAGS.values()]))

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """Whether somebody gave each latent a name, bool [n]."""
        names = self.text("name")
        return np.zeros(len(self), dtype=bool) if names is None else names.where(bool)

    @cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """Which latents are hidden unless asked for, bool [n]: those with a flag that nobody named."""
        return self.flagged & ~self.named

    def labels(self) -> list[str]:
        """Return all dominant labels, in alphabetical order."""
        return self.values("label") if "label" in self.text_columns else []

    def values(self, name: str) -> list[str]:
        """Return what stands in a text field, in alphabetical order."""
        return sorted({str(value) for value in self.latents[self.text_columns[name]].dropna().unique()} - {""})


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
