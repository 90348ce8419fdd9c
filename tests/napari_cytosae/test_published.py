from __future__ import annotations

from pathlib import Path

import pytest

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.weights import weights_path
from napari_cytosae import _published, _sources


def test_the_question_states_size_place_and_licence():
    text = _published.question()
    assert "About 302 MB from nefeli.helmholtz-munich.de" in text and "no licence" in text.replace("\n", " ")
    assert "DinoBloom-B too, about 340 MB: you are asked again" in text


def test_what_is_here_is_not_offered_for_download():
    path = weights_path(_published.checkpoint_file())
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert _published.is_here() and "It is on this computer." in _published.question()


def test_it_is_downloaded_once_and_imported(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("cytosae_toolkit.weights.fetch_weights", lambda file, progress: asked.append(file) or tmp_path)
    monkeypatch.setattr(_sources, "import_published", lambda path, out, progress: out / Path(_published.NAME).stem)
    run = _published.fetch_published()
    assert asked[0].url.startswith(_published.RECORD)
    run.mkdir(parents=True)
    assert _published.fetch_published() == run and len(asked) == 1


def test_without_a_network_it_says_how_to_get_the_file(monkeypatch):
    def fail(file, progress):
        raise CytosaeError("There is no network.", "Use -B checkpoint=PATH.")

    monkeypatch.setattr("cytosae_toolkit.weights.fetch_weights", fail)
    with pytest.raises(CytosaeError, match="There is no network. Download it from https://nefeli.*with a browser"):
        _published.fetch_published()
