"""What is drawn over the picture of a session's scene goes with that picture. No Qt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_cytosae._pixels import Picture
    from napari_cytosae._session import Session

TRANSFORM = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""Events of a layer that has moved."""
Heard = tuple[Any, Callable[..., Any]]
"""A signal of psygnal or an event of napari, and what hears it."""


class Follower(ABC):
    """Draws over the picture of a session's scene while it runs, moves with that picture, forgets it with the scene.

    Subclasses say what else is heard (`_heard`), how all is drawn (`_draw`), moved (`_move`), taken away (`_remove`).

    Parameters
    ----------
    viewer : Viewer or ViewerModel
        Where.
    session : Session
        What.
    """

    def __init__(self, viewer: ViewerModel, session: Session) -> None:
        self.viewer, self.session = viewer, session
        self._picture: Picture | None = None
        self._running = False

    @property
    def picture(self) -> Picture | None:
        """What is drawn over."""
        return self._picture

    def show_on(self, picture: Picture | None) -> None:
        """Say which layer the session's next scene was read from; call it before `Session.set_scene`."""
        self._follow(picture)

    def start(self) -> None:
        """Listen to session and viewer, and draw what there is."""
        if not self._running:
            self._running = True
            _connect([*self._all_heard(), *self._of_picture()])
            self._draw()

    def stop(self) -> None:
        """Listen no more, and take away what was drawn; `start` brings it back."""
        if self._running:
            self._running = False
            _disconnect([*self._all_heard(), *self._of_picture()])
            self._remove()

    def _all_heard(self) -> list[Heard]:
        return [(self.session.scene_changed, self._on_scene_changed), *self._heard()]

    def _heard(self) -> list[Heard]:
        """Return what is heard besides scene and picture."""
        return []

    def _of_picture(self) -> list[Heard]:
        """Return what is heard of the picture's layer."""
        if self._picture is None:
            return []
        events = self._picture.layer.events
        return [(getattr(events, name), self._move) for name in TRANSFORM if hasattr(events, name)]

    def _follow(self, picture: Picture | None) -> None:
        """Follow another picture, or none."""
        _disconnect(self._of_picture())
        self._picture = picture
        if self._running:
            _connect(self._of_picture())

    def _on_scene_changed(self) -> None:
        if self.session.scene is None:
            self._follow(None)
        self._draw()

    @abstractmethod
    def _draw(self) -> None:
        """Draw what session and picture are by now, or nothing."""

    @abstractmethod
    def _move(self, event: Any = None) -> None:
        """Follow the picture to where it is now."""

    @abstractmethod
    def _remove(self) -> None:
        """Take away what was drawn."""


def _connect(heard: list[Heard]) -> None:
    for signal, slot in heard:
        signal.connect(slot)


def _disconnect(heard: list[Heard]) -> None:
    for signal, slot in heard:
        signal.disconnect(slot)  # one that is not connected is no error, for psygnal and for napari
