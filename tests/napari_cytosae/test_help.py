import pytest

from napari_cytosae._help import SHORTCUTS, HelpPanel, bind_keys, help_html, unbind_keys
from napari_cytosae._hover import HOVERED, PINNED
from napari_cytosae._overlay import ACCENTS
from napari_cytosae._parts import COLOUR as PART
from napari_cytosae._regions import COLOURS as REGIONS


def press(viewer, key):
    function = next(function for bound, function in viewer.keymap.items() if str(bound) == key)
    function(viewer)


def test_every_key_stands_in_the_help(qtbot):
    panel = HelpPanel()
    qtbot.addWidget(panel)
    text = panel.text.toPlainText()
    assert all(shortcut.words in text for shortcut in SHORTCUTS)
    assert "For research use only" in text and "#" not in text


def test_every_colour_that_is_drawn_is_explained():
    for colour in (*ACCENTS, HOVERED, PINNED, PART, *REGIONS.values()):
        assert f"color:{colour}" in help_html()


def test_keys_are_bound_once_and_taken_away(viewer, session):
    bind_keys(viewer, session, name=lambda: None)
    bind_keys(viewer, session)
    assert len(viewer.keymap) == 8
    unbind_keys(viewer)
    assert not viewer.keymap


def test_a_users_key_stays_theirs(viewer, session):
    def mine(viewer): ...

    viewer.bind_key("H", mine)
    bind_keys(viewer, session)
    unbind_keys(viewer)
    assert list(viewer.keymap.values()) == [mine]


def test_panels_come_to_the_front(viewer, session):
    came = []
    bind_keys(viewer, session, name=lambda: came.append("name"), search=lambda: came.append("search"))
    press(viewer, "N")
    press(viewer, "/")
    assert came == ["name", "search"]


def test_hide_and_show_the_heat(viewer, session):
    bind_keys(viewer, session)
    session.opacity = 0.4
    press(viewer, "H")
    assert not session.heat_shown and session.shown_opacity == 0
    press(viewer, "H")
    assert session.heat_shown and session.shown_opacity == session.opacity == 0.4


def test_walk_the_concepts_of_a_patch(viewer, session, cell_scene):
    bind_keys(viewer, session)
    press(viewer, "K")
    assert session.latent() is None
    session.show_flagged, session.hide_everywhere = True, False
    session.set_scene(cell_scene)
    session.pinned = cell_scene.locate(30, 25)
    latents = cell_scene.top_latents(session.pinned, None, hide_everywhere=False).index.tolist()
    press(viewer, "K")
    assert session.latent() == latents[0]
    press(viewer, "K")
    assert session.latent() == latents[1]
    press(viewer, "J")
    press(viewer, "J")
    assert session.latent() == latents[-1]
    press(viewer, "W")
    assert session.latent(1) == latents[-1]
    press(viewer, "W")
    assert session.latent(1) is None
    press(viewer, "U")
    assert session.pinned is None


def test_threshold_moves_within_the_scale(viewer, session):
    bind_keys(viewer, session)
    session.choose(90)
    full = session.full_scale(90)
    press(viewer, ".")
    assert session.threshold == pytest.approx(0.05 * full)
    for _ in range(3):
        press(viewer, ",")
    assert session.threshold == 0
    for _ in range(30):
        press(viewer, ".")
    assert session.threshold == pytest.approx(full)


def test_found_everywhere(viewer, session):
    bind_keys(viewer, session)
    press(viewer, "Q")
    assert not session.hide_everywhere


def test_no_key_is_given_twice():
    keys = [shortcut.key for shortcut in SHORTCUTS]
    assert len(set(keys)) == len(keys)


def test_the_help_shows_the_keys_that_are_bound(viewer, session):
    panels = {name: (lambda: None) for name in ("name", "gallery", "search", "help")}
    bind_keys(viewer, session, **panels)
    assert {str(key) for key in viewer.keymap} == {shortcut.shown for shortcut in SHORTCUTS}
    assert all(shortcut.key == shortcut.shown for shortcut in SHORTCUTS)


def test_no_layer_of_napari_takes_one_of_the_keys():
    from napari.utils.shortcuts import default_shortcuts

    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert not taken & {shortcut.key for shortcut in SHORTCUTS}
