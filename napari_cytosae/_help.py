"""Keys, and what colours and words mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QTextBrowser, QVBoxLayout, QWidget

from napari_cytosae._hover import HOVERED, PINNED
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._parts import COLOUR as PART
from napari_cytosae._pieces import FRAMED
from napari_cytosae._regions import COLOURS as REGIONS

if TYPE_CHECKING:
    from napari_cytosae._session import Session

_OURS = "_cytosae"
"""Marks functions that `bind_keys` bound."""
STEP = 0.05
"""Of full strength, by which a key moves the threshold."""


@dataclass(frozen=True)
class Shortcut:
    """A key of the viewer.

    Parameters
    ----------
    key : str
        As napari writes it.
    shown : str
        As the help shows it.
    words : str
        What it does.
    action : str
        Its name.
    """

    key: str
    shown: str
    words: str
    action: str


SHORTCUTS = (
    Shortcut("H", "H", "hide the heat map to see the cell below, show it again", "toggle"),
    Shortcut("K", "K", "next concept of the patch", "next"),
    Shortcut("J", "J", "previous concept of the patch", "previous"),
    Shortcut("W", "W", "compare: keep this concept as the second one; again: take it away", "compare"),
    Shortcut(".", ".", "colour only stronger patches", "up"),
    Shortcut(",", ",", "colour weaker patches too", "down"),
    Shortcut("Q", "Q", "list concepts that are found in nearly all cells, leave them out again", "everywhere"),
    Shortcut("U", "U", "let go of the clicked patch", "unpin"),
    Shortcut("N", "N", "name the concept", "name"),
    Shortcut("G", "G", "cells that show the concept", "gallery"),
    Shortcut("/", "/", "search concepts", "search"),
    Shortcut("F1", "F1", "this help", "help"),
)
"""Keys that napari leaves free, whatever layer is active."""
_PANELS = ("name", "gallery", "search", "help")

_IN_PANELS = (
    ("click", "on the picture: keep the patch; Escape lets go of it"),
    ("Shift + click", "in a list or on the map: show the concept as the second one (Ctrl too)"),
    ("Enter, Ctrl+S", "where a name is typed: save name, note and verdict"),
    ("arrows, Enter", "among cells: walk; open one (a double click opens it too)"),
    ("double click", "while a polygon is drawn: ends it, after a click on each corner"),
    ("right click", "on a cell: only this patient, only this image set"),
)
_COLOURS = (
    (ACCENTS[0], "the chosen concept: transparent where it is absent, full at its strongest in the whole atlas"),
    (ACCENTS[1], "the second concept, when two are compared"),
    (HOVERED, "outline of the patch under the cursor"),
    (PINNED, "outline of the patch that was clicked"),
    (PART, "outlines of the cells that were found and read, or of your boxes"),
    (REGIONS["A"], "outline of region 1, which you draw under Ask"),
    (REGIONS["B"], "outline of region 2, with which it is compared"),
    ("▲ ▼", "a patient shows more, or less, than the group"),
)
_SWATCHES = (*ACCENTS, HOVERED, PINNED, PART, *REGIONS.values())
_WORDS = (
    ("candidate concept", "something that the model learnt to tell apart, which nobody has named yet (latent)"),
    ("pattern strength", "how strongly a patch, or on average a cell, shows it (activation)"),
    ("found in x % of cells", "the share of the atlas's cells that show it at all (frequency)"),
    ("Here", "pattern strength in the picture, or on the patch; a full bar is the strongest patch in the atlas"),
    ("10 best cells", "what the ten cells that show it most strongly mostly are: the cell-type purity (label entropy)"),
    (
        "doubtful",
        "may not be about the cell: follows colour or place, differs between image sets, or rests on few cells",
    ),
    ("alike", "0 to 100 %: two concepts that occur in the same cells, or two cells that show the same concepts"),
    ("colour above", "patches up to this strength stay without colour (threshold τ)"),
    ("reference cells", "the cells of the atlas that show a concept most strongly"),
    ("barcode", "what a patient's cells show: patches per cell, concept by concept"),
    ("approximate", "windows slide over the field; the model was trained on crops about cells"),
)


class HelpPanel(QWidget):
    """What can be pressed, and what is seen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QTextBrowser()
        self.text.setStyleSheet(FRAMED)
        self.text.setToolTip("Keys, colours, words")
        self.text.setHtml(help_html())
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        box.addWidget(self.text)


def help_html() -> str:
    """Return the help as HTML without colours of its own, but those that it explains."""
    keys = [(f"<b>{shortcut.shown}</b>", shortcut.words) for shortcut in SHORTCUTS]
    lists = [(f"<b>{key}</b>", words) for key, words in _IN_PANELS]
    colours = [(_swatch(c) if c in _SWATCHES else c, words) for c, words in _COLOURS]
    words = [(f"<b>{word}</b>", meaning) for word, meaning in _WORDS]
    return (
        f"<h3>Keys</h3><p>Click the picture first: they work while it has the focus.</p>{_table(keys)}"
        f"<h3>Mouse and lists</h3>{_table(lists)}"
        f"<h3>Colours</h3>{_table(colours)}<h3>Words</h3>{_table(words)}"
        "<p><b>For research use only.</b> Not for diagnosis.</p>"
    )


def _swatch(colour: str) -> str:
    """Return a square of a colour on a light ground, as on a smear: dark ones are seen in the dark theme too."""
    return f'<span style="background-color:#eee;color:{colour}">&nbsp;■&nbsp;</span>'


def _table(rows: list[tuple[str, str]]) -> str:
    lines = "".join(f'<tr><td width="30%">{a}</td><td>{b}</td></tr>' for a, b in rows)
    return f'<table width="100%" cellspacing="0" cellpadding="2">{lines}</table>'


def bind_keys(viewer: Any, session: Session, **panels: Callable[[], object]) -> None:
    """Make the keys work in a viewer; keys that somebody else bound there stay theirs.

    Parameters
    ----------
    viewer : napari viewer
        Whose keys.
    session : Session
        What they change.
    **panels : callable ()
        ``name``, ``gallery``, ``search``, ``help``: bring such a panel to the front; without one its key is not bound.
    """
    unbind_keys(viewer)
    taken = {str(key) for key in viewer.keymap}
    for shortcut in SHORTCUTS:
        action = panels.get(shortcut.action) or _ACTIONS.get(shortcut.action)
        if action is None or _normal(shortcut.key) in taken:
            continue
        needs = () if shortcut.action in _PANELS else (session,)
        viewer.bind_key(shortcut.key, _press(action, *needs))


def unbind_keys(viewer: Any) -> None:
    """Take the keys out of a viewer."""
    for key in [key for key, function in viewer.keymap.items() if hasattr(function, _OURS)]:
        viewer.bind_key(key, None)


def _press(action: Callable[..., object], *needs: Any) -> Callable[[Any], None]:
    def pressed(viewer: Any) -> None:
        action(*needs)

    setattr(pressed, _OURS, True)
    return pressed


def _normal(key: str) -> str:
    from app_model.types import KeyBinding

    return str(KeyBinding.from_str(key))


# What keys do


def toggle_heat(session: Session) -> None:
    """Hide the heat maps, or show them as they were."""
    session.heat_shown = not session.heat_shown


def step_concept(session: Session, step: int) -> None:
    """Choose the next concept of the clicked patch, else of the patch under the cursor."""
    spot = session.pinned or session.spot
    if session.scene is None or spot is None:
        return
    table = session.scene.top_latents(spot, None, hide_everywhere=session.hide_everywhere)
    latents = [int(latent) for latent in session.visible(table).index]
    if latents:
        now = session.latent()
        at = latents.index(now) + step if now in latents else (0 if step > 0 else -1)
        session.choose(latents[at % len(latents)])


def compare(session: Session) -> None:
    """Keep the first concept as the second one, or take the second one away."""
    session.choose(session.latent(0) if session.latent(1) is None else None, 1)


def move_threshold(session: Session, step: float) -> None:
    """Move τ by a share of the full strength of the first concept."""
    latent = session.latent()
    if latent is not None:
        full = session.full_scale(latent)
        session.threshold = float(min(max(session.threshold + step * full, 0.0), full))


def _toggle_everywhere(session: Session) -> None:
    session.hide_everywhere = not session.hide_everywhere


def _unpin(session: Session) -> None:
    session.pinned = None


_ACTIONS: dict[str, Callable[[Session], object]] = {
    "toggle": toggle_heat,
    "next": lambda session: step_concept(session, 1),
    "previous": lambda session: step_concept(session, -1),
    "compare": compare,
    "up": lambda session: move_threshold(session, STEP),
    "down": lambda session: move_threshold(session, -STEP),
    "everywhere": _toggle_everywhere,
    "unpin": _unpin,
}
