"""Checkboxes for what lists of concepts leave out; wherever they stand, they say the same."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox

from napari_cytosae._listening import Listening
from napari_cytosae._session import Session


class FilterBox(Listening, QCheckBox):
    """A checkbox bound to a filter of the session.

    Parameters
    ----------
    session : Session
        Has the filter.
    name : str
        Attribute of the session.
    text, tip : str
        On screen.
    """

    def __init__(self, session: Session, name: str, text: str, tip: str) -> None:
        super().__init__(text)
        self._session, self._name = session, name
        self.setToolTip(tip)
        self.toggled.connect(lambda on: setattr(session, name, on))
        self.listen(session.view_changed, self._read)

    def _read(self) -> None:
        self.setChecked(getattr(self._session, self._name))


def flagged_box(session: Session) -> FilterBox:
    """Return the checkbox that lists flagged concepts too."""
    tip = (
        "List also concepts that follow colour or place in the picture, differ between image sets, or rest on few "
        "cells (flagged latents)."
    )
    return FilterBox(session, "show_flagged", "Show doubtful ones", tip)


def everywhere_box(session: Session) -> FilterBox:
    """Return the checkbox that leaves out concepts that fire everywhere."""
    tip = "Concepts that are found in nearly every cell (frequency at least 95 %) say little about one."
    return FilterBox(session, "hide_everywhere", "Hide those in nearly all cells", tip)
