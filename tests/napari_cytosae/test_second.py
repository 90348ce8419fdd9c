"""The two concepts that are shown, and the buttons that move one of them."""

from __future__ import annotations

from napari_cytosae._second import SecondConcept


def test_the_chosen_one_is_kept_as_second_and_dropped(qtbot, session):
    second = SecondConcept(session)
    qtbot.addWidget(second)
    second.show()
    assert not second.keep.isEnabled() and not second.drop.isEnabled()
    session.choose(7)
    second.keep.click()
    session.choose(9)
    assert (session.latent(0), session.latent(1)) == (9, 7)
    assert [name.text() for name in second.names] == ["candidate concept 9", "candidate concept 7"]
    second.drop.click()
    assert session.latent(1) is None
    assert not second.drop.isEnabled()
