import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from cytosae_toolkit.atlas.reading import open_atlas
from napari_cytosae._drafts import Drafts
from napari_cytosae._notes import NotesPanel
from napari_cytosae._session import Session


@pytest.fixture
def notes(session, qtbot):
    session.choose(5)
    return panel_of(session, qtbot)


def panel_of(session, qtbot):
    panel = NotesPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    return panel


def another(atlas, author="B. Other", latent=5):
    session = Session()
    session.author = author
    session.set_source(None, open_atlas(atlas.path))
    session.choose(latent)
    return session


def write(notes, qtbot, name):
    notes.form.name.clear()
    qtbot.keyClicks(notes.form.name, name)


def test_enter_saves_to_disk_at_once(notes, session, atlas, qtbot):
    write(notes, qtbot, "granules")
    notes.form.note.setPlainText("red")
    notes.form.verdict.setCurrentIndex(notes.form.verdict.findData("concept"))
    qtbot.keyClick(notes.form.name, Qt.Key.Key_Return)
    said = open_atlas(atlas.path).annotations.current()[5]
    assert (said.name, said.note, said.verdict, said.author) == ("granules", "red", "concept", "A. Author")
    assert notes.message.text() == "Saved." and "granules (5)" in notes.about.text()
    assert notes.history.topLevelItem(0).text(2) == "granules · concept"


def test_the_cells_of_the_concept_stand_beside_its_name(notes, session):
    assert notes.best.isVisible()
    session.choose(None)
    assert notes.best.isHidden() and "Choose a concept" in notes.about.text()
    session.choose(0)
    assert notes.best.isVisible()


def test_only_the_concept_of_the_first_slot_is_named(notes, session, qtbot):
    write(notes, qtbot, "granules")
    session.choose(7, slot=1)
    assert notes.message.text() == "Not saved yet."
    notes.save()
    assert session.names() == {5: "granules"}


def test_the_concept_numbered_nought_is_named_too(notes, session, qtbot):
    session.choose(0)
    write(notes, qtbot, "granules")
    notes.save()
    assert session.names() == {0: "granules"} and notes.history.topLevelItemCount() == 1


def test_ctrl_s_saves_from_the_note(notes, atlas, qtbot):
    write(notes, qtbot, "granules")
    notes.form.note.setFocus()
    notes.activateWindow()
    qtbot.waitActive(notes)
    qtbot.keyClick(notes.form.note, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    assert open_atlas(atlas.path).annotations.current()[5].name == "granules"


def test_earlier_names_are_offered(notes, session, qtbot):
    session.annotate([7], name="Auer rods")
    completer = notes.form.name.completer()
    completer.setCompletionPrefix("auer")
    assert completer.currentCompletion() == "Auer rods"


def test_undo_takes_the_last_change_back(notes, session, qtbot):
    for name in ("one", "two"):
        write(notes, qtbot, name)
        notes.save()
    notes.undo()
    assert notes.form.name.text() == "one" and session.names() == {5: "one"}
    notes.undo()
    assert notes.form.name.text() == "" and session.names() == {}
    notes.undo()
    assert "no change to take back" in notes.message.text()


@pytest.mark.parametrize("agrees", [True, False])
def test_undo_of_somebody_elses_change_asks(notes, session, atlas, monkeypatch, agrees):
    another(atlas).annotate([9], name="theirs")
    answer = QMessageBox.StandardButton.Yes if agrees else QMessageBox.StandardButton.No
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or answer)
    notes.undo()
    assert asked == ["The last change is “theirs” of concept 9, by B. Other. Take it back?"]
    assert session.names() == ({} if agrees else {9: "theirs"})


def test_undo_of_a_change_of_another_concept_asks(notes, session, monkeypatch):
    """Undo was pressed to drop unsaved text, and took the name of another concept away."""
    session.annotate([9, 10], name="mine")
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *args: asked.append(args[2]) or QMessageBox.StandardButton.No)
    notes.undo()
    assert len(asked) == 1 and "“mine” of concept 9 and 1 more, by " in asked[0]
    assert session.names() == {9: "mine", 10: "mine"}


def test_two_viewers_see_each_others_names(notes, session, atlas, qtbot):
    other = panel_of(another(atlas), qtbot)
    write(notes, qtbot, "mine")
    notes.save()
    other.look_for_changes()
    assert other.form.name.text() == "mine"
    write(other, qtbot, "theirs")
    other.save()
    notes.look_for_changes()
    assert notes.form.name.text() == "theirs"
    assert [notes.history.topLevelItem(i).text(1) for i in range(2)] == ["B. Other", "A. Author"]


def test_both_naming_at_once_loses_nothing(notes, session, atlas, qtbot):
    other = panel_of(another(atlas), qtbot)
    write(notes, qtbot, "mine")
    write(other, qtbot, "theirs")
    other.save()
    notes.look_for_changes()
    assert notes.form.name.text() == "mine"
    assert "B. Other wrote “theirs”" in notes.message.text()
    notes.save()
    assert [entry.name for entry in open_atlas(atlas.path).annotations.history(5)] == ["theirs", "mine"]


def test_the_timer_looks_only_while_shown(notes):
    assert notes._look_timer.isActive()
    notes.hide()
    assert not notes._look_timer.isActive()


def test_what_is_typed_survives_another_latent_and_a_crash(notes, session, atlas, qtbot):
    write(notes, qtbot, "unfinished")
    session.choose(6)
    assert notes.form.name.text() == ""
    session.choose(5)
    assert notes.form.name.text() == "unfinished" and "not saved yet" in notes.message.text()
    again = panel_of(another(atlas), qtbot)
    assert again.form.name.text() == "unfinished"
    assert open_atlas(atlas.path).annotations.current() == {}
    notes.save()
    assert Drafts(atlas).get(5) is None


def test_typing_reaches_the_disk_by_itself(notes, atlas, qtbot):
    write(notes, qtbot, "half a na")
    qtbot.waitUntil(lambda: Drafts(atlas).get(5) is not None)
    assert Drafts(atlas).get(5).name == "half a na"


def test_a_note_alone_is_one_sentence(notes, qtbot):
    notes.form.note.setPlainText("only a note")
    notes.save()
    assert "needs a name or a verdict" in notes.message.text()


def test_read_only_atlas(session, atlas, tmp_path, qtbot):
    from cytosae_toolkit.atlas.packing import pack

    pack(atlas.path, tmp_path / "a.zip")
    packed = another(atlas)
    packed.set_source(None, open_atlas(tmp_path / "a.zip"))
    packed.choose(5)
    notes = panel_of(packed, qtbot)
    assert not any(widget.isEnabled() for widget in (notes.form, notes.save_button, notes.undo_button))
    assert "reading only" in notes.message.text()


def test_nothing_open(qtbot):
    notes = panel_of(Session(), qtbot)
    assert not notes.form.name.isEnabled() and "Open an atlas" in notes.message.text()
