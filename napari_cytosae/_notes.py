"""Naming: name, note and verdict of the chosen concept, saved at once, with history and undo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMessageBox, QPushButton, QVBoxLayout, QWidget

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._best_cells import BestCells
from napari_cytosae._drafts import Draft, Drafts
from napari_cytosae._history import History
from napari_cytosae._listening import Listening
from napari_cytosae._made import made
from napari_cytosae._note_form import NoteForm
from napari_cytosae._pieces import escaped, plain_label
from napari_cytosae._words import spoken

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent, QShowEvent

    from cytosae_toolkit.atlas.names_file import Annotation
    from napari_cytosae._session import Session

LOOK_EVERY = 2000
"""Milliseconds between two looks at what others wrote."""
DRAFT_AFTER = 400
"""Milliseconds after the last key until what was typed is on disk."""


class NotesPanel(Listening, QWidget):
    """Names the latent in slot 0.

    Parameters
    ----------
    session : Session
        What is looked at.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._latent: int | None = None
        self._drafts: Drafts | None = None
        self._known = Draft()
        self._draft_timer = made(QTimer(self), interval=DRAFT_AFTER, singleShot=True)
        self._draft_timer.timeout.connect(self._keep_draft)
        self._look_timer = made(QTimer(self), interval=LOOK_EVERY)
        self._look_timer.timeout.connect(self.look_for_changes)
        self._make_widgets()
        self._lay_out()
        self.listen(session.source_changed, self._show_source)
        self.listen(session.latent_changed, self._follow, 0)
        self.listen(session.names_changed, self._show_names)

    # Widgets

    def _make_widgets(self) -> None:
        self.about = made(QLabel(), wordWrap=True)
        self.best = BestCells(self._session)
        self.form = NoteForm()
        self.form.edited.connect(self._typed)
        self.form.entered.connect(self.save)
        self.save_button = made(QPushButton("Save"), toolTip="Ctrl+S, or Enter in the name; it is on disk at once.")
        self.save_button.clicked.connect(self.save)
        self.undo_button = made(QPushButton("Undo"), toolTip="Take the last saved change back; the history keeps it.")
        self.undo_button.clicked.connect(self.undo)
        self.message = plain_label()
        self.history = History()
        shortcut = QShortcut(QKeySequence.StandardKey.Save, self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.save)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.save_button)
        buttons.addWidget(self.undo_button)
        buttons.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        box.addWidget(self.about)
        box.addWidget(self.best)
        box.addWidget(self.form)
        box.addLayout(buttons)
        box.addWidget(self.message)
        box.addWidget(self.history, 2)
        box.addStretch(1)

    # Which latent

    def _follow(self, slot: int) -> None:
        if slot == 0:
            self._flush()
            self._latent = self._session.latent()
            self.best.setVisible(self._latent is not None)
            self._load()

    def _show_source(self) -> None:
        self._flush()
        atlas = self._session.atlas
        self._drafts = None if atlas is None else Drafts(atlas)
        self._follow(0)

    def focus_name(self) -> None:
        """Put the cursor into the name."""
        self.form.name.setFocus()
        self.form.name.selectAll()

    # Reading

    def _load(self) -> None:
        """Show what is known of the latent, and what was typed and not saved."""
        self._known = self._saved()
        draft = None if self._drafts is None or self._latent is None else self._drafts.get(self._latent)
        self.form.fill(draft or self._known)
        self._say_state("What you typed earlier is not saved yet." if draft is not None else "")
        self._show_frame()

    def _show_names(self) -> None:
        """Show what was saved here or elsewhere; what is being typed stays."""
        untouched = self.form.typed() == self._known
        before, self._known = self._known, self._saved()
        if untouched:
            self.form.fill(self._known)
        elif before != self._known:
            self._say_state(f"Meanwhile {self._last_word()}. Save replaces that.")
        self._show_frame()

    def _show_frame(self) -> None:
        atlas = self._session.atlas
        writable = atlas is not None and not atlas.annotations.read_only
        for widget in (self.form, self.save_button):
            widget.setEnabled(self._latent is not None and writable)
        self.undo_button.setEnabled(writable)
        self.form.offer([] if atlas is None else atlas.annotations.complete(""))
        self.about.setText(self._title())
        if atlas is None:
            self._say_state("Open an atlas to name its concepts.")
        elif not writable:
            self._say_state("This atlas is open for reading only; name concepts in the folder it was packed from.")
        self.history.show_entries(self._entries())

    def _title(self) -> str:
        if self._latent is None:
            return "Choose a concept to name it."
        return f"<b>{escaped(self._session.describe(self._latent))}</b>"

    def _saved(self) -> Draft:
        atlas = self._session.atlas
        if atlas is None or self._latent is None:
            return Draft()
        return _said(atlas.annotations.current().get(self._latent))

    def _entries(self) -> list[Annotation]:
        atlas = self._session.atlas
        if atlas is None or self._latent is None:
            return []
        return atlas.annotations.history(self._latent)[::-1]

    def _last_word(self) -> str:
        entries = self._entries()
        return f"{entries[0].author} wrote “{entries[0].name or 'no name'}”" if entries else "it was changed"

    # Writing

    def save(self) -> None:
        """Write what stands in the fields; on disk when this returns."""
        if self._latent is None or not self.save_button.isEnabled():
            return
        typed = self.form.typed()
        try:
            self._session.annotate([self._latent], name=typed.name, note=typed.note, verdict=typed.verdict)
        except CytosaeError as error:
            self._say_state(spoken(error))
            return
        self._forget_draft()
        self._known = self._saved()
        self.form.fill(self._known)
        self._say_state("Saved.")
        self._show_frame()

    def undo(self) -> None:
        """Take the last change back, after asking if it is somebody else's or of another concept."""
        try:
            self.look_for_changes()
            atlas = self._session.atlas
            change = [] if atlas is None else atlas.annotations.last_change()
            strange = any(entry.author != self._own_name() or entry.latent != self._latent for entry in change)
            if strange and not self._agrees_to_undo(_described(change)):
                return
            undone = self._session.undo_annotation()
        except CytosaeError as error:
            self._say_state(spoken(error))
            return
        self._say_state(f"Taken back: {_described(change)}." if undone else "There is nothing to take back.")

    def _own_name(self) -> str:
        from cytosae_toolkit.atlas.names import default_author

        return self._session.author or default_author()

    def _agrees_to_undo(self, change: str) -> bool:
        question = f"The last change is {change}. Take it back?"
        return QMessageBox.question(self, "Undo", question) == QMessageBox.StandardButton.Yes

    def look_for_changes(self) -> None:
        """Read again what other viewers wrote."""
        atlas = self._session.atlas
        if atlas is not None and atlas.annotations.reload_if_changed():
            self._session.names_changed.emit()

    # Drafts

    def _typed(self) -> None:
        self._draft_timer.start()
        self._say_state("Not saved yet." if self.form.typed() != self._known else "")

    def _flush(self) -> None:
        if self._draft_timer.isActive():
            self._draft_timer.stop()
            self._keep_draft()

    def _keep_draft(self) -> None:
        typed = self.form.typed()
        self._write_draft(None if typed == self._known else typed)

    def _forget_draft(self) -> None:
        self._draft_timer.stop()
        self._write_draft(None)

    def _write_draft(self, draft: Draft | None) -> None:
        if self._drafts is None or self._latent is None:
            return
        try:
            self._drafts.put(self._latent, draft)
        except CytosaeError as error:
            self._say_state(spoken(error))

    def _say_state(self, text: str) -> None:
        self.message.setText(text)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look for what others write while this is shown."""
        super().showEvent(event)
        self._look_timer.start()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Keep what was typed."""
        self._look_timer.stop()
        self._flush()
        super().hideEvent(event)


def _said(annotation: Annotation | None) -> Draft:
    return Draft() if annotation is None else Draft(annotation.name, annotation.note, annotation.verdict)


def _described(change: Sequence[Annotation]) -> str:
    """Say what a change said of which concepts, and who said it."""
    first, more = change[0], len(change) - 1
    what = f"“{first.name}”" if first.name else f"the verdict “{first.verdict}”" if first.verdict else "what was said"
    others = f" and {more} more" if more else ""
    return f"{what} of concept {first.latent}{others}, by {first.author}"
