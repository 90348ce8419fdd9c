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
from napari_cytosae._words import called

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
        ``"concept"``, ``"strength"``, ``"frequency"``, ``"purity"`` or ``"label"``, what is known of a concept; or what
        a list is given: ``"value"``, a pattern strength; ``"alike"``, 0 to 1; ``"contrast"``.
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
STRENGTH = Column(
    "strength",
    "Average",
    "Pattern strength, averaged over the cells of the atlas that show it (mean activation).",
    "0.00123",
)
FREQUENCY = Column("frequency", "Found in", "Share of the atlas's cells in which it is found (frequency).", "0.05 %")
PURITY = Column(
    "purity",
    "Purity",
    "Cell-type purity: how much of the strength of its ten best cells is that of one cell type (dominant share). "
    "The tooltip of a row gives the label entropy.",
    "100 %",
)
LABEL = Column(
    "label",
    "10 best cells",
    "The cell type that the ten cells which show it most strongly mostly are, and its share of their strength: the "
    "cell-type purity (dominant label, dominant share). Only ten cells are counted; the tooltip of a row says what all "
    "the cells that show it are.",
    "lymphocyte 100 %",
)
ALIKE = Column(
    "alike",
    "Alike",
    "0 to 100 %: how alike two concepts are, the mean of how alike the model writes them (cosine of directions) and of "
    "how often they occur in the same cells (cosine of co-activation).",
    "100 %",
)
CONTRAST = Column(
    "contrast",
    "Contrast",
    "How much stronger it is in the region than in what that is compared with, in units of its spread (score); 0 is "
    "no difference. It has no upper end, hence no bar.",
    "0.00123",
)


def strength_column(where: str) -> Column:
    """Return the column of pattern strengths in a place: one unit, and bars on one scale, in every list."""
    tip = (
        f"Pattern strength {where} (activation), in the unit of the colour bar. The bar is full at the concept's "
        "strongest patch in the whole atlas, as its colour in the heat map is; the tooltip of a row says where a "
        "picture goes beyond that."
    )
    return Column("value", "Here", tip, "0.00123")


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
        self._values = np.zeros(0)
        self._names: dict[int, str] = {}
        self._facts = facts_of(session)
        self._texts: dict[str, Callable[[int, int], str]] = {
            "concept": lambda _, latent: self.call(latent),
            "value": lambda row, _: number(self._values[row]),
            "contrast": lambda row, _: number(self._values[row]),
            "alike": lambda row, _: percent(self._values[row]),
            "strength": lambda _, latent: number(self._facts.strength[latent]),
            "frequency": lambda _, latent: percent(self._facts.frequency[latent]),
            "purity": lambda _, latent: percent(self._facts.purity[latent]),
            "label": lambda _, latent: self._facts.mostly(latent),
        }

    def show(self, latents: ArrayLike, values: ArrayLike) -> None:
        """Show other rows.

        Parameters
        ----------
        latents : int array [n]
            From top to bottom.
        values : float array [n]
            Of the column of values.
        """
        self.beginResetModel()
        self._facts = facts_of(self.session)
        self.latents = np.asarray(latents, dtype=np.int64)
        self._values = np.asarray(values, dtype=np.float64)
        self.endResetModel()

    def change_column(self, place: int, column: Column) -> None:
        """Let a column hold something else."""
        if self.columns[place] != column:
            self.columns = (*self.columns[:place], column, *self.columns[place + 1 :])
            self.headerDataChanged.emit(Qt.Orientation.Horizontal, place, place)

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
        return called(latent, self._names.get(latent, ""))

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
        """Return title and tip of a column, and how a first click on it sorts."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return column.tip
        if role == Qt.ItemDataRole.InitialSortOrderRole:
            return _first_order(column)
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
            return "\n".join([self.call(latent), *self._about_value(row, column), self._facts.sentence(latent)])
        if role == LATENT:
            return latent
        if role == BAR:
            return self._bar(row, column)
        if role == BADGES and column.key == "concept":
            return self._facts.badges(latent)
        if role == SLOTS and column.key == "concept":
            return [slot for slot in range(len(ACCENTS)) if self.session.latent(slot) == latent]
        return None

    def _bar(self, row: int, column: Column) -> float | None:
        """Return how long a bar is, 0 to 1: a strength as a share of the concept's largest, a likeness as it is."""
        if column.key not in ("value", "alike"):
            return None
        full = 1.0 if column.key == "alike" else self._facts.largest[self.latents[row]]
        share = self._values[row] / full if full > 0 else 0.0
        return float(np.nan_to_num(np.clip(share, 0.0, 1.0)))

    def _about_value(self, row: int, column: Column) -> list[str]:
        bar = self._bar(row, column)
        if column.key != "value" or not bar:
            return []
        value, full = self._values[row], self._facts.largest[self.latents[row]]
        if exceeds(value, full):
            return [f"Here {number(value)}: stronger than its strongest patch in the atlas, {number(full)}."]
        return [f"Here {number(value)}: {percent(bar)} of its strongest patch in the atlas."]


def exceeds(value: float, full: float) -> bool:
    """Return whether a strength lies visibly beyond a concept's strongest patch in the atlas, by 1 % or more."""
    return bool(value >= 1.01 * full > 0)


def _first_order(column: Column) -> int:
    """Return how a first click sorts, as Qt's number of it: texts from A to Z, the largest number first."""
    texts = column.key in ("concept", "label")
    order: int = (Qt.SortOrder.AscendingOrder if texts else Qt.SortOrder.DescendingOrder).value
    return order


def _alignment(column: Column) -> Qt.AlignmentFlag:
    return _LEFT if column.key in ("concept", "label") else _RIGHT
