"""A list of concepts under a heading: what a patch, a region or a picture shows."""

from __future__ import annotations

import pandas as pd
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_cytosae import _rows
from napari_cytosae._concept_list import ConceptList
from napari_cytosae._pieces import plain_label
from napari_cytosae._session import Session

QWIDGETSIZE_MAX = 16_777_215
"""Qt's way of saying that a height has no limit."""
MOST = 30
"""Concepts in a list at most."""


class Answer(QWidget):
    """A list of concepts under a heading.

    Parameters
    ----------
    session : Session
        Hears which concept was chosen.
    value : Column
        Of the values, until `show_table` says otherwise.
    empty : str
        What stands there while there is no answer.
    """

    def __init__(self, session: Session, value: _rows.Column, empty: str) -> None:
        super().__init__()
        self.heading = plain_label()
        self.list = ConceptList(session, (_rows.CONCEPT, value, _rows.FREQUENCY, _rows.LABEL), empty=empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heading)
        layout.addWidget(self.list)

    def show_table(self, heading: str, table: pd.DataFrame, value: str, column: _rows.Column | None = None) -> None:
        """Show the first latents of a table (index: latent) with one of its columns, under that of a list."""
        self.heading.setText(heading)
        first = table.iloc[:MOST]
        self.list.show_rows(first.index.to_numpy(), first[value].to_numpy(), column)

    def fold(self) -> None:
        """Take no more room than words need while there is no answer."""
        empty = not len(self.list.latents)
        header = self.list.horizontalHeader()
        if header is not None:
            header.setVisible(not empty)
        height = 3 * self.list.fontMetrics().height() + 8
        self.list.setMinimumHeight(height if empty else 0)
        self.list.setMaximumHeight(height if empty else QWIDGETSIZE_MAX)

    def forget(self, heading: str) -> None:
        """Show no answer."""
        self.heading.setText(heading)
        self.list.show_rows((), ())
