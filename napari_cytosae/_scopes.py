"""Where reference cells are looked for: everywhere, in one image set, in one patient."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QTabBar, QVBoxLayout, QWidget

from napari_cytosae._cells import EVERYWHERE, Scope
from napari_cytosae._made import made

PATIENT_TAB = "One patient"


class ScopeTabs(QWidget):
    """Tabs for image sets, and one for a patient with a list of patients.

    Attributes
    ----------
    changed : Signal()
        Another scope.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tabs = made(QTabBar(), drawBase=False, expanding=False, usesScrollButtons=True)
        self.tabs.setElideMode(Qt.TextElideMode.ElideNone)  # tabs that have no room are reached by the arrows
        self.tabs.currentChanged.connect(self._change)
        self.patients = made(QComboBox(), toolTip="Whose cells are shown.")
        self.patients.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.patients.currentIndexChanged.connect(self.changed)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(self.tabs)
        box.addWidget(self.patients)

    @property
    def scope(self) -> Scope:
        """What is chosen."""
        scope = self.tabs.tabData(self.tabs.currentIndex()) or EVERYWHERE
        return Scope("patient", self.patients.currentText()) if scope.kind == "patient" else scope

    def show_sets(self, sets: Sequence[str]) -> None:
        """Offer image sets, if there are several, and no patient yet."""
        self.tabs.blockSignals(True)
        while self.tabs.count():
            self.tabs.removeTab(0)
        self._add("Everywhere", EVERYWHERE, "Cells of all image sets")
        for name in sets if len(sets) > 1 else ():
            self._add(name.replace("_", " "), Scope("set", name), f"Only the image set {name}")
        self.tabs.blockSignals(False)
        self.patients.clear()
        self.patients.hide()

    def show_patients(self, names: Sequence[str]) -> None:
        """Offer patients too."""
        self.patients.blockSignals(True)
        self.patients.clear()
        self.patients.addItems(list(names))
        self.patients.blockSignals(False)
        self._add(PATIENT_TAB, Scope("patient"), "Only the cells of one patient")

    def _add(self, text: str, scope: Scope, tip: str) -> None:
        place = self.tabs.addTab(text)
        self.tabs.setTabData(place, scope)
        self.tabs.setTabToolTip(place, tip)

    def only(self, scope: Scope) -> None:
        """Choose one patient or one image set."""
        if scope.kind == "patient":
            self.patients.setCurrentText(scope.name)
        for i in range(self.tabs.count()):
            data = self.tabs.tabData(i)
            if data.kind == scope.kind and data.name in ("", scope.name):
                self.tabs.setCurrentIndex(i)

    def _change(self) -> None:
        self.patients.setVisible(self.scope.kind == "patient")
        self.changed.emit()
