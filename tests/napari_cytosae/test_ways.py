"""Ways to begin."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from qtpy.QtWidgets import QPushButton

from napari_cytosae._ways import CHOICES, Ways, choose


@pytest.fixture
def dialog(monkeypatch, tmp_path):
    """Dialogs in which a folder, or a file in it, is chosen at once."""
    dialog = SimpleNamespace(
        getExistingDirectory=lambda *_: str(tmp_path), getOpenFileName=lambda *_: (str(tmp_path / "file"), "")
    )
    monkeypatch.setattr("napari_cytosae._ways.QFileDialog", dialog)
    return dialog


@pytest.mark.parametrize("what", CHOICES)
def test_files_and_folders_are_chosen_by_dialogs(dialog, tmp_path, what):
    chosen = []
    choose(None, what, chosen.append)
    assert chosen == [tmp_path / "file" if what in ("packed", "checkpoint") else tmp_path]
    dialog.getExistingDirectory, dialog.getOpenFileName = lambda *_: "", lambda *_: ("", "")
    choose(None, what, chosen.append)
    assert len(chosen) == 1


def test_each_button_tells_what_is_wanted(qtbot, dialog, tmp_path):
    ways, told = Ways(), []
    qtbot.addWidget(ways)
    for name in ("sample", "published", "source", "cells"):
        getattr(ways, name).connect(lambda *path, name=name: told.append((name, *path)))
    buttons = ways.findChildren(QPushButton)
    for button in buttons:
        button.click()
    found = [("source", tmp_path), ("source", tmp_path / "file"), ("source", tmp_path), ("cells", tmp_path)]
    assert sorted(told, key=str) == sorted([("sample",), ("published",), *found], key=str)
    assert ways.backbone.count() == 3
