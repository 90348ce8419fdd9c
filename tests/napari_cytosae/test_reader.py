from __future__ import annotations

from napari_cytosae._reader import get_reader, pictures, read_atlas


def test_only_atlases_are_read(atlas_path, tmp_path):
    assert get_reader(str(atlas_path)) is read_atlas
    assert get_reader([str(atlas_path), str(tmp_path)]) is None
    assert get_reader(str(tmp_path / "absent.atlas.zarr")) is None
    assert get_reader([]) is None
    (tmp_path / "p.atlas.zip").touch()
    assert get_reader(str(tmp_path / "p.atlas.zip")) is read_atlas


def test_without_a_window_the_pictures_are_a_layer(atlas_path):
    ((stack, options, kind),) = read_atlas(str(atlas_path))
    assert stack.shape == (16, 64, 64, 3)
    assert kind == "image" and options["rgb"]
    assert pictures(atlas_path, 3)[0][0].shape[0] == 3


def test_in_a_window_the_dock_opens_it(atlas_path, monkeypatch):
    opened = []

    class Page:
        def open(self, path):
            opened.append(path)

    class Dock:
        start_page = Page()

    class Viewer:
        window = None

    monkeypatch.setattr("napari.current_viewer", Viewer)
    monkeypatch.setattr("napari_cytosae._widget.dock", lambda viewer: Dock())
    assert read_atlas([str(atlas_path)]) == [(None,)]
    assert opened == [str(atlas_path)]
