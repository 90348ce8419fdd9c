import pytest

from napari_cytosae._drafts import Draft
from napari_cytosae._note_form import VERDICT_WORDS, NoteForm


@pytest.fixture
def form(qtbot):
    form = NoteForm()
    qtbot.addWidget(form)
    return form


def test_what_is_filled_in_is_typed_and_nothing_is_heard(form):
    heard = []
    form.edited.connect(lambda: heard.append(1))
    draft = Draft("granules", "red", "concept")
    form.fill(draft)
    assert form.typed() == draft and not heard
    form.note.setPlainText("redder")
    assert heard


def test_every_verdict_can_be_chosen_and_says_what_it_means(form):
    assert [form.verdict.itemData(i) for i in range(form.verdict.count())] == list(VERDICT_WORDS)
    assert all(form.verdict.itemData(i, 3) for i in range(form.verdict.count()))


def test_names_are_offered_wherever_they_hold_what_is_typed(form):
    form.offer(["Auer rods"])
    form.name.completer().setCompletionPrefix("ROD")
    assert form.name.completer().currentCompletion() == "Auer rods"
