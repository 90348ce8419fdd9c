"""The dock: a start page and, once something is open, a tab for each way of looking at it. Composition only."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _kept
from napari_cytosae._fit import Fit
from napari_cytosae._help import HelpPanel, bind_keys, unbind_keys
from napari_cytosae._hover import Hover
from napari_cytosae._imports import heavy_imported, look_again
from napari_cytosae._jobs import show_problem
from napari_cytosae._listening import Listening
from napari_cytosae._load import LoadPanel
from napari_cytosae._look import LookPanel
from napari_cytosae._made import made
from napari_cytosae._overlay import HeatLayers
from napari_cytosae._parts import PartOutlines
from napari_cytosae._pieces import SmallLine
from napari_cytosae._session import Session
from napari_cytosae._start import RESEARCH, StartPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAME = "Concepts in blood cells"
MENU_NAME = f"{NAME} (CytoSAE)"
"""What napari calls the dock when its menu opens it, by the manifest; the same name, lest the menu open another one."""
WIDTH = 440
"""Least width of the dock in pixels: a list up to its cell types, three thumbnails side by side."""
COMPACT = "QTabWidget > QTabBar::tab { padding: 3px 2px; }"
"""Style of the tabs: all of them fit side by side in the least width."""
TABS = (
    ("Concepts", "_concepts", "ConceptTable", False, "All concepts: search, sort, choose"),
    ("Map", "_scatter", "ConceptScatter", False, "All concepts: how often they are found against how strong they are"),
    ("Gallery", "_gallery", "Gallery", True, "Reference cells of the chosen concept"),
    ("Ask", "_ask", "AskPanel", True, "What a patch or a region contains"),
    ("Name", "_notes", "NotesPanel", False, "Name the chosen concept, write a note, give a verdict"),
    ("Patient", "_patient", "PatientPanel", True, "The cells of one patient, and their barcode"),
    ("Export", "_export", "ExportPanel", True, "Pictures and tables"),
)
"""Title, module, class, whether it needs the viewer, tooltip. Modules are imported once something is open."""

PREPARE_MS = 50
"""Between two tabs that are made beforehand, milliseconds."""
ON_PICTURE = ("Ask", "Export")
"""Titles of the panels that are told which picture is looked at."""


class CytosaeWidget(Listening, QWidget):
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
        self.parts, self.fit = PartOutlines(self.viewer, self.session), Fit(self.viewer, self)
        self.start_page, self.load = StartPage(self.viewer, self.session), LoadPanel(self.viewer, self.session)
        self.source = made(SmallLine(), alignment=Qt.AlignmentFlag.AlignRight)
        self.look = LookPanel(self.session)
        self.look.hide()
        self.panels: dict[str, Any] = {}
        self.tabs = QTabWidget()
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setStyleSheet(COMPACT)
        self.tabs.setTabToolTip(
            self.tabs.addTab(scrollable(self.start_page), "Start"), "What is opened, or learnt from"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(self.look)
        foot = QHBoxLayout()
        foot.addWidget(QLabel(f"<small>{RESEARCH}</small>"))
        foot.addWidget(self.source, 1)
        layout.addLayout(foot)
        self.start_page.opened.connect(self._opened)
        self.start_page.jobs.busy_changed.connect(self._prepare)
        self._making = self._make_tabs()
        self.destroyed.connect(look_again)
        for follower in (self.heat, self.hover, self.parts):
            self.load.picture_read.connect(follower.show_on)
        self.listen(self.session.scene_changed, self._scene_changed)
        self.listen(self.session.latent_changed, self.start_page.memory.keep_soon)
        self.listen(self.session.source_changed, self._show_source)

    def open(self, atlas: str | Path | None, images: Sequence[str | Path] = ()) -> None:
        """Open an atlas or a run, then read the last of some images; they are added to the viewer at once."""
        for image in images:
            try:
                self.viewer.open(str(image))
            except Exception as error:  # whatever a reader may raise
                raise CytosaeError(
                    f"{image} cannot be read by napari.", "Another reader plugin may read it."
                ) from error
        if atlas is not None:
            self.start_page.open(atlas)

    def _opened(self, path: Any) -> None:
        """Show the tabs; read the picture that is there, for a first look."""
        self._add_tabs()
        self.tabs.setCurrentIndex(1)
        self.load.choose_layer(self.viewer.layers.selection.active)
        if self.start_page.kind:
            self.load.form.read_as(self.start_page.kind)
        missing = self.start_page.question.isVisibleTo(self.start_page)
        if missing:
            self.tabs.setCurrentIndex(0)
        elif self.session.explorer is not None and self.load.layer is not None:
            QTimer.singleShot(0, self.load.analyse)
        if self.session.no_model:
            show_problem(f"No picture can be read with this atlas. {self.session.no_model}")

    def _add_tabs(self) -> None:
        """Show the tabs; those that are not prepared yet are made now."""
        for _ in self._making:
            pass
        if self.tabs.isTabVisible(1):
            return
        for place in range(1, self.tabs.count()):
            self.tabs.setTabVisible(place, True)
        for title in ("Gallery", "Ask", "Patient"):
            self.panels[title].opener.analyse = self._analyse_cell
        self.panels["Ask"].asked.redrawn.connect(self.start_page.memory.keep_soon)
        self.panels["Gallery"].alike.clicked.connect(self._look_alike)
        self.panels["Name"].best.opened.connect(self.panels["Gallery"].opener.open)
        for title in ON_PICTURE:
            self.load.picture_read.connect(self.panels[title].show_on)
            if self.load.picture is not None:
                self.panels[title].show_on(self.load.picture)
        self.look.show()
        self.fit.again()
        if self.isVisible():
            self._bind_keys()

    def _make_tabs(self) -> Iterator[str]:
        """Make the tabs one by one, hidden; yields their titles."""
        yield self._hide_tab(self.load, "Load", "Which picture is read, and how")
        for title, module, name, needs_viewer, tip in TABS:
            panel = getattr(import_module(f"napari_cytosae.{module}"), name)
            self.panels[title] = panel(self.viewer, self.session) if needs_viewer else panel(self.session)
            yield self._hide_tab(self.panels[title], title, tip)
        self.panels["Help"] = HelpPanel()
        yield self._hide_tab(self.panels["Help"], "Help", "Keys, colours, words")

    def _hide_tab(self, panel: QWidget, title: str, tip: str) -> str:
        place = self.tabs.addTab(scrollable(panel), title)
        self.tabs.setTabToolTip(place, tip)
        self.tabs.setTabVisible(place, False)
        return title

    def _prepare(self, busy: bool = True) -> None:
        """Make a tab now and then while something is being opened: all of them at once would hold up the window."""
        if busy and self.start_page.jobs.busy and (not heavy_imported.is_set() or next(self._making, "")):
            QTimer.singleShot(PREPARE_MS, self._prepare)

    def _show_source(self) -> None:
        """Say which atlas or model is open."""
        atlas, explorer = self.session.atlas, self.session.explorer
        opened = atlas.path if atlas is not None else explorer.run.path if explorer is not None else None
        kind = "Atlas" if atlas is not None else "Model"
        self.source.say("" if opened is None else f"{kind} {Path(opened).name}")
        self.source.setToolTip("" if opened is None else str(opened))

    def _scene_changed(self) -> None:
        """Remember a picture; let go of one that is no longer shown, so that its pixels do not stay in memory."""
        if self.session.scene is not None and self.load.picture is not None:
            self.start_page.picture_read(self.load.picture, self.session.scene.kind)
        if self.session.scene is None and self.load.picture is not None:
            self.load.forget()
            for title in ON_PICTURE:
                self.panels[title].show_on(None)

    def _analyse_cell(self, layer: Any) -> None:
        """Read a cell that was opened from the gallery, as it is."""
        self.load.choose_layer(layer)
        self.load.form.read_as("cell")
        self.load.analyse()

    def _look_alike(self) -> None:
        self.bring("Ask")
        self.panels["Ask"].look_alike()

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
            self.load.check_picture()
            self.heat.start()
            self.hover.start()
            self.parts.start()
            self.fit.start()
            if self.tabs.isTabVisible(1):
                self._bind_keys()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Take away what was drawn, and listen no more; a minimised window stays as it is."""
        super().hideEvent(event)
        if event is None or not event.spontaneous():
            unbind_keys(self.viewer)
            self.fit.stop()
            self.parts.stop()
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
    """Show the dock of a window, adding it where it is not there yet, by the menu or otherwise.

    Parameters
    ----------
    viewer : napari.Viewer, optional
        By default the current one.
    """
    import napari

    viewer = viewer or napari.current_viewer()
    widget = next((w for w in QApplication.allWidgets() if isinstance(w, CytosaeWidget) and w.viewer is viewer), None)
    if widget is None:
        widget = CytosaeWidget(viewer)
        viewer.window.add_dock_widget(widget, name=MENU_NAME)
    shown: QWidget | None = widget
    while shown is not None and not isinstance(shown, QDockWidget):
        shown = shown.parentWidget()
    if shown is not None:
        shown.show()
        shown.raise_()
    return widget


def show_dock() -> None:
    """Show the dock of the current window; what the menu entry does."""
    dock()
