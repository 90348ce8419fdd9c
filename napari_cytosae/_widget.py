"""The dock: a start page and, once something is open, a tab for each way of looking at it. Composition only."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_cytosae import _kept
from napari_cytosae._help import HelpPanel, bind_keys, unbind_keys
from napari_cytosae._hover import Hover
from napari_cytosae._load import LoadPanel
from napari_cytosae._look import LookPanel
from napari_cytosae._overlay import HeatLayers
from napari_cytosae._session import Session
from napari_cytosae._start import RESEARCH, StartPage

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "Concepts in blood cells"
WIDTH = 430
"""Least width of the dock in pixels: five columns of a list, three thumbnails side by side."""
TABS = (
    ("Concepts", "_concepts", "ConceptTable", False, "All concepts: search, sort, choose"),
    ("Map", "_scatter", "ConceptScatter", False, "All concepts: how often against how strongly they fire"),
    ("Gallery", "_gallery", "Gallery", True, "Reference cells of the chosen concept"),
    ("Ask", "_ask", "AskPanel", True, "What a patch or a region contains"),
    ("Name", "_notes", "NotesPanel", False, "Name the chosen concept, write a note, give a verdict"),
    ("Patient", "_patient", "PatientPanel", True, "The cells of one patient, and their barcode"),
    ("Export", "_export", "ExportPanel", True, "Pictures and tables"),
)
"""Title, module, class, whether it needs the viewer, tooltip. Modules are imported once something is open."""


class CytosaeWidget(QWidget):
    """The dock of the plugin.

    Parameters
    ----------
    napari_viewer : napari viewer
        The viewer, or napari's proxy of it.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self.setMinimumWidth(WIDTH)
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.session = Session()
        self.session.author, self.session.opacity = _kept.author(), float(_kept.preference("opacity"))
        self.heat, self.hover = HeatLayers(self.viewer, self.session), Hover(self.viewer, self.session)
        self.start_page, self.load = StartPage(self.viewer, self.session), LoadPanel(self.viewer, self.session)
        self.look = LookPanel(self.session)
        self.look.hide()
        self.panels: dict[str, Any] = {}
        self.tabs = QTabWidget()
        self.tabs.setUsesScrollButtons(True)
        self.tabs.addTab(scrollable(self.start_page), "Start")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.look)
        layout.addWidget(QLabel(f"<small>{RESEARCH}</small>"))
        self.start_page.opened.connect(self._opened)
        for follower in (self.heat, self.hover):
            self.load.picture_read.connect(follower.show_on)
        self._to_load: list[Path] = []

    def open(self, atlas: str | Path | None, images: Sequence[str | Path] = ()) -> None:
        """Open an atlas or a run, then read the last of some images; they are added to the viewer at once."""
        for image in images:
            self.viewer.open(str(image))
        self._to_load = [Path(image) for image in images]
        if atlas is not None:
            self.start_page.open(atlas)

    def _opened(self, path: Any) -> None:
        """Show the tabs; read the picture that is there, for a first look."""
        self._add_tabs()
        self.tabs.setCurrentIndex(1)
        self.load.choose_layer(self.viewer.layers.selection.active)
        missing = self.start_page.question.isVisibleTo(self.start_page)
        if missing:
            self.tabs.setCurrentIndex(0)
        elif self.session.explorer is not None and self.load.layer is not None:
            QTimer.singleShot(0, self.load.analyse)

    def _add_tabs(self) -> None:
        if self.tabs.count() > 1:
            return
        self.tabs.addTab(scrollable(self.load), "Load")
        for title, module, name, needs_viewer, tip in TABS:
            panel = getattr(import_module(f"napari_cytosae.{module}"), name)
            self.panels[title] = panel(self.viewer, self.session) if needs_viewer else panel(self.session)
            self.tabs.setTabToolTip(self.tabs.addTab(scrollable(self.panels[title]), title), tip)
        for title in ("Gallery", "Patient"):
            self.panels[title].opener.analyse = self._analyse_cell
        for title in ("Ask", "Gallery", "Export"):
            self.load.picture_read.connect(self.panels[title].show_on)
            if self.load.picture is not None:
                self.panels[title].show_on(self.load.picture)
        self.panels["Help"] = HelpPanel()
        self.tabs.addTab(scrollable(self.panels["Help"]), "Help")
        self.look.show()
        if self.isVisible():
            self._bind_keys()

    def _analyse_cell(self, layer: Any) -> None:
        """Read a cell that was opened from the gallery, as it is."""
        self.load.choose_layer(layer)
        self.load.kind.setCurrentIndex(self.load.kind.findData("cell"))
        self.load.analyse()

    def bring(self, title: str) -> None:
        """Bring a tab to the front."""
        place = next((i for i in range(self.tabs.count()) if self.tabs.tabText(i) == title), 0)
        self.tabs.setCurrentIndex(place)

    def _bind_keys(self) -> None:
        bind_keys(
            self.viewer, self.session, name=self._name, gallery=lambda: self.bring("Gallery"), search=self._search,
            help=lambda: self.bring("Help"),
        )  # fmt: skip

    def _name(self) -> None:
        self.bring("Name")
        self.panels["Name"].focus_name()

    def _search(self) -> None:
        self.bring("Concepts")
        self.panels["Concepts"].line.setFocus()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw heat maps, and listen to the mouse."""
        super().showEvent(event)
        if event is None or not event.spontaneous():
            self.heat.start()
            self.hover.start()
            if self.panels:
                self._bind_keys()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Take away what was drawn, and listen no more; a minimised window stays as it is."""
        super().hideEvent(event)
        if event is None or not event.spontaneous():
            unbind_keys(self.viewer)
            self.hover.stop()
            self.heat.stop()


def scrollable(widget: QWidget) -> QScrollArea:
    """Return a widget that can be scrolled where the screen is small."""
    area = QScrollArea()
    area.setWidget(widget)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    return area


def dock(viewer: Any = None) -> CytosaeWidget:
    """Show the dock of a window, adding it where it is not there yet.

    Parameters
    ----------
    viewer : napari.Viewer, optional
        By default the current one.
    """
    import napari

    shown, widget = (viewer or napari.current_viewer()).window.add_plugin_dock_widget("cytosae-toolkit", NAME)
    shown.show()
    shown.raise_()
    found: CytosaeWidget = widget
    return found


def show_dock() -> None:
    """Show the dock of the current window; what the menu entry does."""
    dock()
