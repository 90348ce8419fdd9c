"""Widgets that hear signals only while they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qtpy.QtGui import QHideEvent, QShowEvent


class Listening:
    """Mixin of widgets that hear signals only while they are shown, and catch up when they are shown again.

    Closing a dock in napari only hides it: a callback that stays connected would go on working for nobody.
    Name the mixin before the widget class, so that its `showEvent` is found first.
    """

    def listen(self, signal: Any, slot: Callable[..., None], *catching_up: Any) -> None:
        """Call `slot` whenever a psygnal `signal` is emitted while shown, and once, with `catching_up`, when shown."""
        self._heard().append((signal, slot, catching_up))
        if self.isVisible():  # type: ignore[attr-defined]
            self._connect(signal, slot, catching_up)

    def _heard(self) -> list[tuple[Any, Callable[..., None], tuple[Any, ...]]]:
        if not hasattr(self, "_listening"):
            self._listening: list[tuple[Any, Callable[..., None], tuple[Any, ...]]] = []
        return self._listening

    def showEvent(self, event: QShowEvent | None) -> None:
        """Connect, and catch up."""
        super().showEvent(event)  # type: ignore[misc]
        for entry in self._heard():
            self._connect(*entry)

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Disconnect."""
        super().hideEvent(event)  # type: ignore[misc]
        for signal, slot, _ in self._heard():
            signal.disconnect(slot, missing_ok=True)

    def _connect(self, signal: Any, slot: Callable[..., None], catching_up: tuple[Any, ...]) -> None:
        signal.disconnect(slot, missing_ok=True)
        signal.connect(slot)
        slot(*catching_up)
