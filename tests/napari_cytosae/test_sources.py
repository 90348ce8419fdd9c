from __future__ import annotations

from types import SimpleNamespace

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.interfaces.specs import BackboneSpec, WeightsFile
from cytosae_toolkit.weights import weights_path
from napari_cytosae import _sources
from napari_cytosae._sources import fetch, import_published, missing_of, open_source


def spec(**changes) -> BackboneSpec:
    file = WeightsFile(name="w.pth", url="https://records.org/w.pth", size=changes.pop("size", None))
    values = {
        "name": "dino",
        "summary": "",
        "factory": "a:b",
        "api": (1, 0),
        "weights_license": "MIT",
        "weights": (file,),
    }
    return BackboneSpec(**(values | changes))


def test_an_atlas_and_a_run_are_opened(atlas_path, run_folder):
    found = open_source(atlas_path)
    assert found.atlas.d_sae == found.explorer.d_sae == 96
    assert found.explorer.offline
    assert found.missing is None
    run = open_source(run_folder)
    assert (run.atlas, run.explorer.d_sae) == (None, 96)


def test_a_packed_atlas_is_opened(atlas_path, tmp_path):
    from cytosae_toolkit.atlas.packing import pack

    found = open_source(pack(atlas_path, tmp_path / "a.zip"))
    assert found.atlas.read_only
    assert found.explorer is not None


def test_anything_else_is_a_sentence(tmp_path):
    with pytest.raises(CytosaeError):
        open_source(tmp_path)


def test_statistics_without_a_model_are_browsed_only():
    assert not _sources.has_sae(SimpleNamespace(has_images=False, record={}))


def test_missing_weights_state_their_size_and_place():
    missing = missing_of(spec(size=346_000_000), {})
    assert missing.question().count("346 MB from records.org, licence: MIT") == 1
    assert "about" not in missing.question()
    assert "about 340 MB" in missing_of(spec(d_model=768, layers=12), {}).question()
    assert "an unknown number of MB" in missing_of(spec(), {}).question()


@pytest.mark.parametrize("options", [{"checkpoint": "here.pth"}, {"untrained": True}])
def test_weights_of_ones_own_are_not_missing(options):
    assert missing_of(spec(), options) is None


def test_weights_in_the_cache_are_not_missing():
    path = weights_path(spec().weights[0])
    path.parent.mkdir(parents=True)
    path.touch()
    assert missing_of(spec(), {}) is None


def test_a_library_that_downloads_by_itself_is_asked_to_try_without():
    def offline():
        raise CytosaeError("The weights may not be downloaded offline.")

    def broken():
        raise CytosaeError("The model is unknown.")

    assert missing_of(spec(weights=()), {}, offline).file is None
    assert missing_of(spec(weights=()), {}, lambda: None) is None
    with pytest.raises(CytosaeError, match="unknown"):
        missing_of(spec(weights=()), {}, broken)


def test_weights_are_fetched_with_progress(monkeypatch):
    fetched = []
    monkeypatch.setattr(
        "cytosae_toolkit.weights.fetch_weights", lambda file, progress: fetched.append((file.name, progress))
    )
    fetch(missing_of(spec(), {}), None, "progress")
    assert fetched == [("w.pth", "progress")]


def test_published_files_become_a_run_or_an_atlas_once(tmp_path, monkeypatch):
    made = []

    def make(path, out):
        out.mkdir()
        made.append(out.name)

    monkeypatch.setattr("cytosae_toolkit.training.import_checkpoint", make, raising=False)
    monkeypatch.setattr("cytosae_toolkit.atlas.published.import_statistics", make)
    (tmp_path / "mll23").mkdir()
    (tmp_path / "sae.pt").touch()
    for _ in range(2):
        assert import_published(tmp_path / "sae.pt", tmp_path / "out") == tmp_path / "out" / "sae"
        assert import_published(tmp_path / "mll23", tmp_path / "out") == tmp_path / "out" / "mll23.atlas.zarr"
    assert made == ["sae", "mll23.atlas.zarr"]
