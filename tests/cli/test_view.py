from __future__ import annotations

import sys
import types

import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from cytosae_toolkit.cli import view as module
from cytosae_toolkit.cli.handling import HandlingGroup
from cytosae_toolkit.cli.view import sort_arguments


@pytest.fixture
def run():
    app = Typer(cls=HandlingGroup)
    app.callback()(lambda: None)
    module.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["view", *map(str, arguments)])


@pytest.fixture
def opened(monkeypatch):
    """Stand-ins for napari and the dock, which need a screen."""
    found = []

    class Dock:
        def open(self, source, images):
            found.append((source, list(images)))

    napari = types.SimpleNamespace(Viewer=lambda title: title, run=lambda: found.append("run"))
    monkeypatch.setitem(sys.modules, "napari", napari)
    monkeypatch.setitem(sys.modules, "napari_cytosae._widget", types.SimpleNamespace(dock=lambda viewer: Dock()))
    monkeypatch.setenv("DISPLAY", ":1")
    return found


def test_an_atlas_and_images_are_opened(run, opened, tmp_path):
    (tmp_path / "a.atlas.zarr").mkdir()
    (tmp_path / "a.atlas.zarr" / "zarr.json").touch()
    Image.new("RGB", (4, 4)).save(tmp_path / "field.png")
    result = run(tmp_path / "a.atlas.zarr", tmp_path / "field.png")
    assert result.exit_code == 0, result.output
    assert opened == [(tmp_path / "a.atlas.zarr", [tmp_path / "field.png"]), "run"]


def test_what_is_no_picture_is_refused_before_a_window_opens(run, opened, tmp_path):
    (tmp_path / "notes.png").write_text("no picture")
    result = run(tmp_path / "notes.png")
    assert result.exit_code == 2
    assert "notes.png is not a picture that can be read." in result.stderr
    assert not opened


@pytest.mark.parametrize("limit", [8, 9], ids=["far beyond Pillow's limit", "beyond it"])
def test_a_huge_picture_is_left_to_the_reader(run, opened, tmp_path, monkeypatch, recwarn, limit):
    Image.new("RGB", (4, 4)).save(tmp_path / "scan.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit - 1)  # an error from twice as many, a warning below
    result = run(tmp_path / "scan.png")
    assert result.exit_code == 0, result.output
    assert opened == [(None, [tmp_path / "scan.png"]), "run"] and not recwarn.list


def test_an_empty_folder_is_refused_before_a_window_opens(run, opened, tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "neither an atlas nor a run" in " ".join(result.stderr.split())
    assert not opened


def test_other_formats_are_left_to_napari(run, opened, tmp_path):
    (tmp_path / "slide.ndpi").touch()
    assert run(tmp_path / "slide.ndpi").exit_code == 0
    assert opened == [(None, [tmp_path / "slide.ndpi"]), "run"]


def test_without_arguments_the_start_page_opens(run, opened):
    assert run().exit_code == 0
    assert opened == [(None, []), "run"]


def test_an_image_may_stand_first(tmp_path):
    for name in ("a.png", "b.tif", "packed.zip"):
        (tmp_path / name).touch()
    assert sort_arguments(tmp_path / "a.png", [tmp_path / "b.tif"]) == (None, [tmp_path / "a.png", tmp_path / "b.tif"])
    assert sort_arguments(tmp_path / "packed.zip", []) == (tmp_path / "packed.zip", [])


def test_what_does_not_exist_is_a_sentence(run, opened, tmp_path):
    result = run(tmp_path / "absent.atlas.zarr")
    assert result.exit_code == 2
    assert "absent.atlas.zarr does not exist." in result.output
    assert opened == []


@pytest.mark.parametrize("missing", ["napari", "qtpy"])
def test_without_napari_it_names_the_extra(run, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    result = run()
    assert result.exit_code == 2
    assert "cytosae-toolkit[napari]" in result.output


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="screens are found otherwise there")
def test_without_a_screen_it_says_so(run, opened, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    result = run()
    assert result.exit_code == 2
    assert "There is no screen" in result.output
    assert opened == []
