"""What is looked at, and who is told when it changes."""

from __future__ import annotations

import pytest

from cytosae_toolkit.explore.scene import Spot
from napari_cytosae._session import Session


@pytest.mark.parametrize(
    ("name", "value", "signal"),
    [
        ("spot", Spot(0, 1, 1), "spot_changed"),
        ("pinned", Spot(0, 1, 1), "pinned_changed"),
        ("threshold", 0.25, "view_changed"),
        ("opacity", 0.3, "view_changed"),
        ("heat_shown", False, "view_changed"),
        ("hide_everywhere", False, "view_changed"),
        ("show_flagged", True, "view_changed"),
    ],
)
def test_a_change_is_told_once_and_is_of_one_session(name, value, signal):
    session, other, told = Session(), Session(), []
    getattr(session, signal).connect(lambda: told.append(getattr(session, name)))
    before = getattr(session, name)
    setattr(session, name, value)
    setattr(session, name, value)
    assert told == [value] and getattr(other, name) == before != value


def test_hidden_heat_maps_keep_their_opacity():
    session = Session()
    session.opacity, session.heat_shown = 0.4, False
    assert session.shown_opacity == 0
    session.heat_shown = True
    assert session.shown_opacity == 0.4


def test_another_picture_lets_go_of_patches_and_keeps_the_concepts(session, scene):
    session.set_scene(scene)
    session.choose(93)
    session.spot = session.pinned = Spot(0, 1, 1)
    session.set_scene(None)
    assert (session.spot, session.pinned, session.latent()) == (None, None, 93)


def test_another_source_lets_go_of_all(session, scene):
    session.set_scene(scene)
    session.choose(93)
    session.threshold = 0.5
    session.set_source(None, None)
    assert (session.scene, session.latent(), session.threshold) == (None, None, 0)
