"""What is drawn over a picture goes with it."""

from __future__ import annotations

import pytest

from napari_cytosae._follower import Follower
from napari_cytosae._pixels import picture_of


class Told(Follower):
    """Says what it is asked to do."""

    def __init__(self, viewer, session):
        super().__init__(viewer, session)
        self.told = []

    def _heard(self):
        return [(self.session.view_changed, self._draw)]

    def _draw(self):
        self.told.append("draw")

    def _move(self, event=None):
        self.told.append("move")

    def _remove(self):
        self.told.append("remove")


@pytest.fixture
def told(viewer, session, layer):
    follower = Told(viewer, session)
    follower.show_on(picture_of(layer))
    return follower


def test_it_hears_scene_picture_and_what_it_asks_for_only_while_it_runs(told, session, scene, layer):
    layer.scale = (2, 2)
    assert told.told == []
    told.start()
    told.start()
    session.set_scene(scene)
    session.threshold = 0.5
    layer.translate = (1, 1)
    assert told.told == ["draw", "draw", "draw", "move"]
    told.stop()
    told.stop()
    session.threshold = 0.1
    session.set_scene(None)
    layer.translate = (0, 0)
    assert told.told[4:] == ["remove"] and told.picture is not None


def test_it_forgets_the_picture_with_the_scene_and_follows_another(told, session, scene, layer, viewer):
    told.start()
    session.set_scene(scene)
    session.set_scene(None)
    assert told.picture is None
    told.told.clear()
    layer.scale = (3, 3)
    assert told.told == []
    other = viewer.add_image(layer.data)
    told.show_on(picture_of(layer))
    told.show_on(picture_of(other))
    layer.scale = (2, 2)
    assert told.told == []
    other.scale = (2, 2)
    assert told.told == ["move"]
