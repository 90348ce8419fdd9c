"""Ways to begin: the upper buttons of the start page, and the dialogs in which files and folders are chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_cytosae._learning import BACKBONES

CHOICES = {
    "atlas": ("Atlas (NAME.atlas.zarr)", ""),
    "packed": ("Packed atlas", "Packed atlas (*.zip)"),
    "run": ("Run folder", ""),
    "cells": ("Folder of cells, one image a cell; folders of classes are fine", ""),
    "checkpoint": ("Published checkpoint", "Checkpoint (*.pt *.pth)"),
    "statistics": ("Folder of published statistics (with sae_mean_acts.pt)", ""),
}
"""Title of a dialog, and the kind of file that is chosen in it; a folder where that is empty."""


class Ways(QWidget):
    """Buttons that say where to begin, and the choice of what is learnt with.

    Attributes
    ----------
    sample, published : Signal()
        The sample, or the published model, is wanted.
    source, cells : Signal(object)
        Path of an atlas or a model that is to be opened; of a folder of cells that is to be learnt from.
    """

    sample, published, source, cells = Signal(), Signal(), Signal(object), Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout, row, choice = QVBoxLayout(self), QHBoxLayout(), QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        self._add(layout, "Try the sample", "A generated smear and its concepts; no download", self.sample.emit)
        self._choice(
            layout, "Open an atlas …", "atlas", "A folder NAME.atlas.zarr: concepts, reference cells and names"
        )
        self._choice(row, "Packed atlas …", "packed", "One file, NAME.zip, to be sent around; for reading only")
        self._choice(
            row, "Open a model …", "run", "The folder of a trained model: heat maps, no names, no reference cells"
        )
        layout.addLayout(row)
        tip = "The model that the authors of CytoSAE trained; asks first"
        self._add(layout, "Published CytoSAE …", tip, self.published.emit)
        tip = "Train a model on a folder of single cells, and build its atlas: reference cells and statistics"
        self._choice(layout, "Learn from a folder of my cells …", "cells", tip)
        self.backbone = _backbones()
        choice.addWidget(QLabel("learning with"))
        choice.addWidget(self.backbone, 1)
        layout.addLayout(choice)

    def _choice(self, layout: QVBoxLayout | QHBoxLayout, text: str, what: str, tip: str) -> None:
        then = self.cells if what == "cells" else self.source
        self._add(layout, text, tip, lambda: choose(self, what, then.emit))

    def _add(self, layout: QVBoxLayout | QHBoxLayout, text: str, tip: str, then: Callable[[], object]) -> None:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.clicked.connect(lambda *_: then())
        layout.addWidget(button)


def _backbones() -> QComboBox:
    box = QComboBox()
    for i, (text, name, tip) in enumerate(BACKBONES):
        box.addItem(text, name)
        box.setItemData(i, tip, Qt.ItemDataRole.ToolTipRole)
    box.setToolTip("The vision model by which cells are read before concepts are learnt from them.")
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(10)
    return box


def choose(parent: QWidget, what: str, then: Callable[[Path], object]) -> None:
    """Let the user choose a file or a folder; nothing follows if none is chosen.

    Parameters
    ----------
    parent : QWidget
        Of the dialog.
    what : str
        One of `CHOICES`.
    then : callable (Path)
        What follows.
    """
    title, kind = CHOICES[what]
    if kind:
        path = QFileDialog.getOpenFileName(parent, title, "", kind)[0]
    else:
        path = QFileDialog.getExistingDirectory(parent, title)
    if path:
        then(Path(path))
