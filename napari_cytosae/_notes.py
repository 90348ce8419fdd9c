"""Naming: name, note and verdict of one concept or several, saved at once, with history and undo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import QStringListModel, Qt, QTimer
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractScrollArea,
    QComboBox,
    QCompleter,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QTextEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae._drafts import Draft, Drafts
from napari_cytosae._listening import Listening
from napari_cytosae._made import made
from napari_cytosae._pieces import plain_label

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent, QShowEvent

    from cytosae_toolkit.atlas.names_file import Annotation
    from napari_cytosae._session import Session

LOOK_EVERY = 2000
"""Milliseconds between two looks at what others wrote."""
DRAFT_AFTER = 400
"""Milliseconds after the last key until what was typed is on disk."""
VERDICT_WORDS = {
    "": ("no verdict", ""),
    "concept": ("concept", "It shows one thing that a hematologist would name."),
    "artefact": ("artefact", "It shows staining, blur, the edge of the picture or the like."),
    "mixed": ("mixed", "It shows several things."),
    "unclear": ("unclear", "One cannot say what it shows."),
}


class NotesPanel(Listening, QWidget):
    """Names the latent in slot 0, or several.

    Parameters
    ----------
    session : Session
        What is looked at.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._latents: list[int] = []
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
        self.name = made(QLineEdit(), placeholderText="What a hematologist would call it")
        self.name.setToolTip("The same name on several concepts puts them together in searches and barcodes.")
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.name.setCompleter(completer)
        self.verdict = made(QComboBox(), toolTip="Whether it is a concept at all.")
        for i, (verdict, (text, why)) in enumerate(VERDICT_WORDS.items()):
            self.verdict.addItem(text, verdict)
            self.verdict.setItemData(i, why, Qt.ItemDataRole.ToolTipRole)
        self.note = made(QTextEdit(), placeholderText="What is seen, and where it is not", acceptRichText=False)
        self.note.setTabChangesFocus(True)
        self.note.setFixedHeight(4 * self.fontMetrics().lineSpacing() + 16)
        self.save_button = made(QPushButton("Save"), toolTip="Ctrl+S, or Enter in the name; it is on disk at once.")
        self.save_button.clicked.connect(self.save)
        self.undo_button = made(QPushButton("Undo"), toolTip="Take the last saved change back; the history keeps it.")
        self.undo_button.clicked.connect(self.undo)
        self.message = plain_label()
        self.history = made(QTreeWidget(), rootIsDecorated=False, uniformRowHeights=True)
        self.history.setHeaderLabels(["When", "Who", "What"])
        self.history.setSizeAdjustPolicy(QAbstractScrollArea.SizeAdjustPolicy.AdjustIgnored)
        self.name.textEdited.connect(self._typed)
        self.note.textChanged.connect(self._typed)
        self.verdict.currentIndexChanged.connect(self._typed)
        self.name.returnPressed.connect(self.save)
        shortcut = QShortcut(QKeySequence.StandardKey.Save, self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self.save)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow("Name", self.name)
        form.addRow("Verdict", self.verdict)
        form.addRow("Note", self.note)
        buttons = QHBoxLayout()
        buttons.addWidget(self.save_button)
        buttons.addWidget(self.undo_button)
        buttons.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        box.addWidget(self.about)
        box.addLayout(form)
        box.addLayout(buttons)
        box.addWidget(self.message)
        box.addWidget(self.history, 1)

    # Which latents

    @property
    def latents(self) -> list[int]:
        """What is named on Save."""
        return list(self._latents)

    def set_latents(self, latents: Sequence[int]) -> None:
        """Name several latents at once; one or none follows the session again."""
        if len(latents) > 1:
            self._turn_to(sorted(set(latents)))
        else:
            self._follow(0)

    def _follow(self, slot: int) -> None:
        if slot == 0:
            latent = self._session.latent()
            self._turn_to([] if latent is None else [latent])

    def _turn_to(self, latents: list[int]) -> None:
        self._flush()
        self._latents = latents
        self._load()

    def _show_source(self) -> None:
        self._flush()
        atlas = self._session.atlas
        self._drafts = None if atlas is None else Drafts(atlas)
        self._follow(0)

    def focus_name(self) -> None:
        """Put the cursor into the name."""
        self.name.setFocus()
        self.name.selectAll()

    # Reading

    def _load(self) -> None:
        """Show what is known of the latents, and what was typed and not saved."""
        self._known = self._saved()
        draft = self._drafts.get(self._latents[0]) if self._drafts is not None and len(self._latents) == 1 else None
        self._fill(draft or self._known)
        self._say_state("What you typed earlier is not saved yet." if draft is not None else "")
        self._show_frame()

    def _show_names(self) -> None:
        """Show what was saved here or elsewhere; what is being typed stays."""
        untouched = self._typed_draft() == self._known
        before, self._known = self._known, self._saved()
        if untouched:
            self._fill(self._known)
        elif before != self._known and len(self._latents) == 1:
            self._say_state(f"Meanwhile {self._last_word()}. Save replaces that.")
        self._show_frame()

    def _show_frame(self) -> None:
        atlas, some = self._session.atlas, bool(self._latents)
        writable = atlas is not None and not atlas.annotations.read_only
        for widget in (self.name, self.note, self.verdict, self.save_button):
            widget.setEnabled(some and writable)
        self.undo_button.setEnabled(writable)
        self._names.setStringList([] if atlas is None else atlas.annotations.complete(""))
        self.about.setText(self._title())
        if atlas is None:
            self._say_state("Open an atlas to name its concepts.")
        elif not writable:
            self._say_state("This atlas is open for reading only; name concepts in the folder it was packed from.")
        self._fill_history()

    def _title(self) -> str:
        if not self._latents:
            return "Choose a concept to name it."
        if len(self._latents) > 1:
            shown = ", ".join(map(str, self._latents[:6])) + ("…" if len(self._latents) > 6 else "")
            return f"<b>{len(self._latents)} concepts at once</b> ({shown}); what is left empty stays as it is"
        return f"<b>{_escaped(self._session.describe(self._latents[0]))}</b>"

    def _saved(self) -> Draft:
        current = {} if self._session.atlas is None else self._session.atlas.annotations.current()
        said = {_said(current.get(latent)) for latent in self._latents}
        return said.pop() if len(said) == 1 else Draft()

    def _entries(self) -> list[Annotation]:
        atlas = self._session.atlas
        if atlas is None or len(self._latents) != 1:
            return []
        return atlas.annotations.history(self._latents[0])[::-1]

    def _last_word(self) -> str:
        entries = self._entries()
        return f"{entries[0].author} wrote “{entries[0].name or 'no name'}”" if entries else "it was changed"

    def _fill_history(self) -> None:
        self.history.clear()
        for entry in self._entries():
            said = entry.name or ("(no name)" if entry.verdict else "(taken away)")
            what = said + (f" · {entry.verdict}" if entry.verdict else "")
            item = QTreeWidgetItem([_local(entry.time), entry.author, what])
            tip = "\n".join(text for text in (f"{what}, by {entry.author}", entry.time, entry.note) if text)
            for column in range(3):
                item.setToolTip(column, tip)
            self.history.addTopLevelItem(item)
        self.history.setVisible(self.history.topLevelItemCount() > 0)
        for column in range(2):
            self.history.resizeColumnToContents(column)

    # Writing

    def save(self) -> None:
        """Write what stands in the fields; on disk when this returns."""
        if not self._latents or not self.save_button.isEnabled():
            return
        typed = self._typed_draft()
        try:
            self._write(typed)
        except CytosaeError as error:
            self._say_state(str(error))
            return
        self._forget_drafts()
        self._known = self._saved()
        self._fill(self._known)
        self._say_state(f"Saved{'' if len(self._latents) == 1 else f' for {len(self._latents)} concepts'}.")
        self._show_frame()

    def _write(self, typed: Draft) -> None:
        """Write one concept as typed; of several, what was left empty keeps what each has."""
        atlas = self._session.atlas
        if atlas is None or len(self._latents) == 1:
            self._session.annotate(self._latents, name=typed.name, note=typed.note, verdict=typed.verdict)
            return
        said = (typed.name or None, typed.note or None, typed.verdict or None)
        atlas.annotations.add(
            self._latents, said[0], note=said[1], verdict=said[2], author=self._session.author or None
        )
        self._session.names_changed.emit()

    def undo(self) -> None:
        """Take the last change back, after asking if it is somebody else's."""
        try:
            self.look_for_changes()
            author = self._newest_author()
            if author and author != self._own_name() and not self._agrees_to_undo(author):
                return
            undone = self._session.undo_annotation()
        except CytosaeError as error:
            self._say_state(str(error))
            return
        self._say_state("The last change was taken back." if undone else "There is nothing to take back.")

    def _newest_author(self) -> str:
        atlas = self._session.atlas
        current = [] if atlas is None else list(atlas.annotations.current().values())
        return max(current, key=lambda entry: entry.time).author if current else ""

    def _own_name(self) -> str:
        from cytosae_toolkit.atlas.names import default_author

        return self._session.author or default_author()

    def _agrees_to_undo(self, author: str) -> bool:
        question = f"The last change is by {author}. Take it back?"
        return QMessageBox.question(self, "Undo", question) == QMessageBox.StandardButton.Yes

    def look_for_changes(self) -> None:
        """Read again what other viewers wrote."""
        atlas = self._session.atlas
        if atlas is not None and atlas.annotations.reload_if_changed():
            self._session.names_changed.emit()

    # Drafts

    def _typed_draft(self) -> Draft:
        return Draft(self.name.text(), self.note.toPlainText(), str(self.verdict.currentData() or ""))

    def _fill(self, draft: Draft) -> None:
        for widget in (self.name, self.note, self.verdict):
            widget.blockSignals(True)
        if self.name.text() != draft.name:
            self.name.setText(draft.name)
        if self.note.toPlainText() != draft.note:
            self.note.setPlainText(draft.note)
        self.verdict.setCurrentIndex(max(0, self.verdict.findData(draft.verdict)))
        for widget in (self.name, self.note, self.verdict):
            widget.blockSignals(False)

    def _typed(self) -> None:
        self._draft_timer.start()
        self._say_state("Not saved yet." if self._typed_draft() != self._known else "")

    def _flush(self) -> None:
        if self._draft_timer.isActive():
            self._draft_timer.stop()
            self._keep_draft()

    def _keep_draft(self) -> None:
        if self._drafts is None or len(self._latents) != 1:
            return
        typed = self._typed_draft()
        self._write_draft(self._latents[0], None if typed == self._known else typed)

    def _forget_drafts(self) -> None:
        self._draft_timer.stop()
        for latent in self._latents:
            self._write_draft(latent, None)

    def _write_draft(self, latent: int, draft: Draft | None) -> None:
        try:
            if self._drafts is not None:
                self._drafts.put(latent, draft)
        except CytosaeError as error:
            self._say_state(str(error))

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


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return time


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
