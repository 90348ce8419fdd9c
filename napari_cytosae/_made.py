"""Widgets made in one line."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtCore import QObject

T = TypeVar("T", bound=QObject)


def made(thing: T, **properties: object) -> T:
    """Give a widget Qt properties, such as ``toolTip`` or ``wordWrap``, and return it.

    Raises
    ------
    AttributeError
        If it has no such property.
    """
    for name, value in properties.items():
        if not thing.setProperty(name, value):
            raise AttributeError(f"{type(thing).__name__} has no property {name}.")
    return thing
