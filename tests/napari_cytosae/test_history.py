import pytest

from napari_cytosae._history import History


@pytest.fixture
def history(qtbot):
    history = History()
    qtbot.addWidget(history)
    return history


def test_entries_with_author_and_note(history, session, atlas):
    session.annotate([5], name="granules", note="red", verdict="concept")
    history.show_entries(atlas.annotations.history(5))
    row = history.topLevelItem(0)
    assert (row.text(1), row.text(2)) == ("A. Author", "granules · concept")
    assert "red" in row.toolTip(0) and not history.isHidden()


def test_without_entries_it_takes_no_room(history):
    history.show_entries([])
    assert history.isHidden()
