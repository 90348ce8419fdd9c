"""What lists of concepts hold: columns, and rows that any list shows alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from napari_cytosae._facts import facts_of, number, percent
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._session import Session

LATENT, BAR, BADGES, SLOTS = (Qt.ItemDataRole.UserRole + i for i in range(1, 5))
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True)
class Column:
    """A column of a list.

    Parameters
    ----------
    key : str
        ``"concept"``, ``"value"``, ``"strength"``, ``"frequency"``, ``"purity"`` or ``"label"``.
    title : str
        On screen.
    tip : str
        With the field's term.
    sample : str
        Text that fits in.
    """

    key: str
    title: str
    tip: str
    sample: str


CONCEPT = Column("concept", "Concept", "Its name, or its number while nobody has named it (latent).", "")
STRENGTH = Column("strength", "Strength", "Pattern strength: mean activation over the atlas's images.", "0.00123")
FREQUENCY = Column("frequency", "Found in", "Share of the atlas's cells in which it is found (frequency).", "0.05 %")
PURITY = Column(
    "purity",
    "Purity",
    "Cell-type purity: how much of the activation of its ten best reference cells belongs to one cell type "
    "(dominant share). The tooltip of a row gives the label entropy.",
    "100 %",
)
LABEL = Column(
    "label", "Mostly in", "The cell type that most of its reference cells have (dominant label).", "neutrophil"
)


def activation_column(title: str = "Activation", tip: str = "Activation on the patch.") -> Column:
    """Return the column of the values that a list is given."""
    return Column("value", title, tip, "0.00123")


class ConceptRows(QAbstractTableModel):
    """Concepts and a value of each, row by row, with what the atlas knows of them.

    Parameters
    ----------
    session : Session
        Knows names and atlas.
    columns : sequence of Column
        From left to right.
    """

    def __init__(self, session: Session, columns: Sequence[Column], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.columns = session, tuple(columns)
        self.latents = np.zeros(0, dtype=np.int64)
        self._values = self._bars = np.zeros(0)
        self._names: dict[int, str] = {}
        self._facts = facts_of(session)
        self._texts: dict[str, Callable[[int, int], str]] = {
            "concept": lambda _, latent: self.call(latent),
            "value": lambda row, _: number(self._values[row]),
            "strength": lambda _, latent: number(self._facts.strength[latent]),
            "frequency": lambda _, latent: percent(self._facts.frequency[latent]),
            "purity": lambda _, latent: percent(self._facts.purity[latent]),
            "label": lambda _, latent: str(self._facts.label[latent]),
        }

    def show(self, latents: ArrayLike, values: ArrayLike, bars: ArrayLike | None = None) -> None:
        """Show other rows.

        Parameters
        ----------
        latents : int array [n]
            From top to bottom.
        values : float array [n]
            Of the column ``"value"``.
        bars : float array [n], optional
            Lengths of bars, 0 to 1; by default values as shares of the largest.
        """
        self.beginResetModel()
        self._facts = facts_of(self.session)
        self.latents = np.asarray(latents, dtype=np.int64)
        self._values = np.asarray(values, dtype=np.float64)
        largest = float(np.nanmax(self._values, initial=0.0))
        self._bars = np.asarray(self._values / (largest or 1.0) if bars is None else bars, dtype=np.float64)
        self.endResetModel()

    @property
    def current(self) -> bool:
        """Whether the rows are of the atlas that is open."""
        return self._facts is facts_of(self.session)

    def rename(self) -> None:
        """Read the names again."""
        self._names = self.session.names()
        self.repaint()

    def repaint(self) -> None:
        """Tell views that all of it may look different."""
        if len(self.latents):
            last = self.index(len(self.latents) - 1, len(self.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def call(self, latent: int) -> str:
        """Return how a latent is called on screen."""
        name = self._names.get(latent)
        return f"{name} ({latent})" if name else f"candidate concept {latent}"

    def row_of(self, latent: int | None) -> int | None:
        """Return the row of a latent, None if it is not listed."""
        if latent is None:
            return None
        found = np.flatnonzero(self.latents == latent)
        return int(found[0]) if len(found) else None

    # What Qt asks

    def rowCount(self, parent: Index = QModelIndex()) -> int:
        """Return how many concepts there are."""
        return 0 if parent.isValid() else len(self.latents)

    def columnCount(self, parent: Index = QModelIndex()) -> int:
        """Return how many columns there are."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return title and tip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip
        return column.title if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, tip, alignment, bar, badges or marks of a cell."""
        row, column = index.row(), self.columns[index.column()]
        latent = int(self.latents[row])
        if role == Qt.ItemDataRole.DisplayRole:
            return self._texts[column.key](row, latent)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{self.call(latent)}\n{self._facts.sentence(latent)}"
        if role == LATENT:
            return latent
        if role == BAR and column.key == "value":
            return float(self._bars[row])
        if role == BADGES and column.key == "concept":
            return self._facts.badges(latent)
        if role == SLOTS and column.key == "concept":
            return [slot for slot in range(len(ACCENTS)) if self.session.latent(slot) == latent]
        return None


def _alignment(column: Column) -> Qt.AlignmentFlag:
    return _LEFT if column.key in ("concept", "label") else _RIGHT
