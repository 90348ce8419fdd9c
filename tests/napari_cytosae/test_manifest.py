from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.cli import app
from qtpy.QtWidgets import QApplication
from typer.testing import CliRunner

import napari_cytosae
from napari_cytosae._kept import DEFAULTS, PLUGIN

PATH = Path(napari_cytosae.__file__).with_name("napari.yaml")


def test_npe2_accepts_it():
    result = CliRunner().invoke(app, ["validate", str(PATH)])
    assert result.exit_code == 0, result.output


def test_every_command_exists():
    manifest = PluginManifest.from_file(PATH)
    assert manifest.name == PLUGIN
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name))


def test_preferences_have_the_defaults_of_the_program():
    found = PluginManifest.from_file(PATH).contributions.configurations["viewer"].properties
    assert {name: value.default for name, value in found.items()} == DEFAULTS


@pytest.mark.gui
def test_the_menu_and_the_program_share_one_dock(make_napari_viewer, qtbot):
    from napari_cytosae._widget import CytosaeWidget, dock

    viewer = make_napari_viewer(show=True)
    menus = {action.text().replace("&", ""): action.menu() for action in viewer.window._qt_window.menuBar().actions()}
    menus["Plugins"].aboutToShow.emit()
    action = next(action for action in menus["Plugins"].actions() if "Concepts in blood cells" in action.text())
    widget = dock(viewer)
    action.trigger()
    assert not widget.isVisible()
    action.trigger()
    assert widget.isVisible() and dock(viewer) is widget
    assert len([w for w in QApplication.allWidgets() if isinstance(w, CytosaeWidget) and w.viewer is viewer]) == 1
