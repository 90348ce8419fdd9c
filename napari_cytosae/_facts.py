"""What an atlas knows of all its latents, as arrays that lists and plots read; and how numbers are written. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from napari_cytosae._session import Session

FLAGS = {
    "flag_colour": ("colour", "follows the colour of the stain"),
    "flag_position": ("position", "follows the place in the picture"),
    "flag_set": ("set", "differs between image sets"),
    "flag_few_cells": ("few cells", "rests on few cells"),
}
"""Column of a flag → badge, and what it says."""
EVERYWHERE = 0.95
"""Share of images from which on a latent fires everywhere, where no explorer says so."""
UNKNOWN = "–"


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of every latent; NaN or "" where nothing is.

    Parameters
    ----------
    strength, frequency, entropy, purity, largest, precision : float64 array [d_sae]
        Mean activation; share of images on which it is active; label entropy, nats; share of the dominant label;
        largest activation; share of the best label among all cells on which it is active.
    label, best : object array [d_sae]
        Dominant label, that of the ten best cells; the most common label of all cells on which it is active.
    flags : dict from str to bool array [d_sae]
        Flags by their column, those of `FLAGS` that are known.
    """

    strength: NDArray[np.float64]
    frequency: NDArray[np.float64]
    entropy: NDArray[np.float64]
    purity: NDArray[np.float64]
    largest: NDArray[np.float64]
    precision: NDArray[np.float64]
    label: NDArray[np.object_]
    best: NDArray[np.object_]
    flags: dict[str, NDArray[np.bool_]]

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Facts:
        """Take what a table of latents has."""
        entropy = _numbers(table, "label_entropy", "published_entropy")
        share = _numbers(table, "dominant_share")
        return cls(
            _numbers(table, "mean_activation"),
            _numbers(table, "frequency"),
            entropy,
            np.exp(-entropy) if np.isnan(share).all() else share,
            _numbers(table, "max_activation"),
            _numbers(table, "best_precision"),
            _texts(table, "dominant_label"),
            _texts(table, "best_label"),
            {name: table[name].eq(True).to_numpy(dtype=bool) for name in FLAGS if name in table},
        )

    def __len__(self) -> int:
        return len(self.strength)

    def badges(self, latent: int) -> list[str]:
        """Return the flags of a latent, in a word each."""
        return [FLAGS[name][0] for name, flagged in self.flags.items() if flagged[latent]]

    def flagged(self) -> NDArray[np.bool_]:
        """Return which latents have any flag, bool [d_sae]."""
        return np.asarray(np.logical_or.reduce([np.zeros(len(self), dtype=bool), *self.flags.values()]))

    def sentence(self, latent: int) -> str:
        """Return all that is known of a latent, a line each."""
        if not 0 <= latent < len(self):
            return ""
        lines = [
            f"Found in {percent(self.frequency[latent])} of cells (frequency).",
            f"Pattern strength {number(self.strength[latent])} on average over cells that show it (mean activation), "
            f"at most {number(self.largest[latent])} on a patch.",
            *self._about_type(latent),
        ]
        warnings = [FLAGS[name][1] for name, flagged in self.flags.items() if flagged[latent]]
        return "\n".join([*lines, *([f"Doubtful (flagged): {'; '.join(warnings)}."] if warnings else [])])

    def _about_type(self, latent: int) -> list[str]:
        purity, entropy = percent(self.purity[latent]), f"(label entropy {number(self.entropy[latent])} nats)"
        if not self.label[latent]:
            return [f"Cell-type purity {purity} {entropy}."]
        lines = [f"Cell-type purity {purity}: of the strength of its ten best cells, {self.mostly(latent)} {entropy}."]
        if self.best[latent]:
            among = f"{typed(self.best[latent])} {percent(self.precision[latent])}"
            lines.append(f"Of all cells that show it, however weakly, {among}.")
        return lines

    def mostly(self, latent: int) -> str:
        """Return what the ten best cells mostly are, such as "neutrophil 90 %"; what is unknown is left out."""
        share = "" if np.isnan(self.purity[latent]) else percent(self.purity[latent])
        return " ".join(part for part in (typed(self.label[latent]), share) if part) or UNKNOWN


_known: WeakKeyDictionary[Session, tuple[object, Facts]] = WeakKeyDictionary()


def facts_of(session: Session) -> Facts:
    """Return what the open atlas knows of its latents, or of a bare run's that there are so many; made once."""
    import pandas as pd

    atlas, explorer = session.atlas, session.explorer
    source: Any = atlas if atlas is not None else explorer
    known = _known.get(session)
    if known is None or known[0] is not source:
        n = explorer.d_sae if explorer is not None else 0
        table = atlas.statistics if atlas is not None else pd.DataFrame(index=pd.RangeIndex(n))
        known = _known[session] = (source, Facts.of_table(table))
    return known[1]


def fires_everywhere(session: Session) -> NDArray[np.bool_]:
    """Return which latents fire on nearly every image of the atlas and have no name, bool [d_sae]."""
    limit = EVERYWHERE if session.explorer is None else session.explorer.everywhere
    found = np.asarray(facts_of(session).frequency >= limit)  # NaN is not
    found[named(session)] = False
    return found


def doubtful(session: Session) -> NDArray[np.bool_]:
    """Return which latents have a flag and no name, bool [d_sae]."""
    found = facts_of(session).flagged()
    found[named(session)] = False
    return found


def named(session: Session) -> list[int]:
    """Return the latents that have a name: no filter hides what somebody cared to name."""
    current = {} if session.atlas is None else session.atlas.annotations.current()
    return [latent for latent, entry in current.items() if entry.name]


def number(value: float) -> str:
    """Write an activation or an entropy with three digits, without powers of ten."""
    if np.isnan(value):
        return UNKNOWN
    if 0 < value < 1e-4:
        return "< 0.0001"
    return f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"


def typed(label: str) -> str:
    """Write a cell type as it stands on screen."""
    return str(label).replace("_", " ")


def percent(share: float) -> str:
    """Write a share as a percentage."""
    value = 100 * share
    if np.isnan(value):
        return UNKNOWN
    if 0 < value < 0.01:
        return "< 0.01 %"
    return f"{value:.0f} %" if value >= 10 or value == 0 else f"{value:.2g} %"


def _numbers(table: pd.DataFrame, *names: str) -> NDArray[np.float64]:
    """Return the first of some columns that knows anything."""
    for name in names:
        if name in table and table[name].notna().any():
            return np.asarray(table[name].to_numpy(dtype=np.float64, na_value=np.nan))
    return np.full(len(table), np.nan)


def _texts(table: pd.DataFrame, name: str) -> NDArray[np.object_]:
    if name not in table:
        return np.full(len(table), "", dtype=object)
    column = table[name].astype(object)
    return column.where(column.notna(), "").to_numpy(dtype=object)
