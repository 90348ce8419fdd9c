from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from cytosae_toolkit.errors import CytosaeError
from napari_cytosae import _kept, _learning, _published, _sample, _sources
from napari_cytosae._session import Session
from napari_cytosae._sources import MissingWeights, Opened
from napari_cytosae._start import StartPage


@pytest.fixture
def empty() -> Session:
    return Session()


@pytest.fixture
def page(qtbot, viewer, empty):
    page = StartPage(viewer, empty)
    qtbot.addWidget(page)
    page.show()
    return page


def idle(qtbot, page):
    qtbot.waitUntil(lambda: not page.jobs.busy, timeout=60_000)


MISSING = MissingWeights("dinobloom-b", None, 340_000_000, False, "Apache-2.0")


def test_an_atlas_is_opened_and_remembered(qtbot, page, empty, atlas_path):
    heard = []
    page.opened.connect(heard.append)
    page.open(atlas_path)
    assert not page.buttons.isEnabled()
    idle(qtbot, page)
    assert empty.atlas.path == atlas_path
    assert empty.explorer is not None
    assert heard == [atlas_path]
    assert _kept.recent() == [atlas_path]
    page.recent.refresh()
    assert page.recent.texts == [f"{atlas_path.name}   in {atlas_path.parent.name}"]


def test_what_cannot_be_opened_is_a_sentence(qtbot, page, empty, tmp_path):
    page.open(tmp_path / "absent.atlas.zarr")
    idle(qtbot, page)
    assert "absent.atlas.zarr" in page.message.text()
    assert empty.atlas is None
    assert page.buttons.isEnabled()


def test_missing_weights_are_asked_for_after_opening(qtbot, page, monkeypatch, atlas_path):
    fetched = []
    monkeypatch.setattr(_sources, "open_source", lambda path, **_: Opened(path, None, None, MISSING))
    monkeypatch.setattr(_sources, "fetch", lambda missing, explorer, progress: fetched.append(missing))
    page.open(atlas_path)
    idle(qtbot, page)
    assert "about 340 MB" in page.question.text.text()
    assert fetched == []
    page.question.yes.click()
    idle(qtbot, page)
    assert fetched == [MISSING]


def test_the_sample_adds_its_picture_once(qtbot, page, viewer, monkeypatch, tmp_path):
    layer = np.zeros((8, 8, 3), np.uint8), {"name": _sample.NAME, "rgb": True}, "image"
    monkeypatch.setattr(_sample, "sample", lambda progress: (layer, Opened(tmp_path, None, None, None)))
    for _ in range(2):
        page.open_sample()
        idle(qtbot, page)
    assert [layer.name for layer in viewer.layers] == [_sample.NAME]


def test_the_published_model_says_what_it_is_and_asks(qtbot, page, empty, monkeypatch, atlas_path, tmp_path):
    page.ask_published()
    idle(qtbot, page)
    said = page.question.text.text()
    assert "49,152 candidate concepts" in said and "About 302 MB from nefeli.helmholtz-munich.de" in said
    offered = [page.question.more.itemAt(i).widget().text() for i in range(page.question.more.count())]
    assert (page.question.yes.text(), offered) == ("Download", ["I have the file …", "Statistics only …"])
    monkeypatch.setattr(_published, "fetch_published", lambda progress: atlas_path)
    page.question.yes.click()
    idle(qtbot, page)
    assert empty.atlas.path == atlas_path


def test_a_published_file_is_imported(qtbot, page, empty, monkeypatch, atlas_path, tmp_path):
    monkeypatch.setattr(_sources, "import_published", lambda path, out, progress: atlas_path)
    page.open_published(tmp_path / "sae.pt")
    idle(qtbot, page)
    assert empty.atlas.path == atlas_path


def slowly(lesson, progress, **_):
    with progress.task("Training", 100_000, "steps") as task:
        while True:
            time.sleep(0.002)
            task.advance()


def test_learning_is_stopped_remembered_and_resumed(qtbot, page, empty, monkeypatch, atlas_path, tmp_path):
    monkeypatch.setattr(_learning, "learn", slowly)
    page.learn(tmp_path / "cells", "nano")
    qtbot.waitUntil(lambda: "Training" in page.jobs.text.text(), timeout=5000)
    page.jobs.cancel_button.click()
    idle(qtbot, page)
    assert page.message.text().startswith("Stopped.")
    assert _kept.unfinished()["images"] == str(tmp_path / "cells")
    assert page.recent.texts[0] == "Go on learning from cells"
    monkeypatch.setattr(_learning, "learn", lambda lesson, progress, **_: atlas_path)
    page.resume()
    qtbot.waitUntil(lambda: empty.atlas is not None, timeout=60_000)
    assert _kept.unfinished() is None


def test_learning_asks_before_weights_are_downloaded(qtbot, page, monkeypatch, tmp_path):
    began = []
    monkeypatch.setattr(_learning, "weights_of", lambda backbone: MISSING)
    monkeypatch.setattr(_sources, "fetch", lambda missing, explorer, progress: None)
    monkeypatch.setattr(page, "_learn", began.append)
    page.learn(tmp_path, "dinobloom-b")
    idle(qtbot, page)
    assert "about 340 MB" in page.question.text.text() and began == []
    page.question.yes.click()
    qtbot.waitUntil(lambda: bool(began), timeout=5000)
    assert began[0].backbone == "dinobloom-b"


def test_a_failed_lesson_is_a_sentence(qtbot, page, monkeypatch, tmp_path):
    def fail(lesson, progress, **_):
        raise CytosaeError("There are too few images.")

    monkeypatch.setattr(_learning, "learn", fail)
    page.learn(tmp_path, "nano")
    qtbot.waitUntil(lambda: page.message.text() == "There are too few images.", timeout=10_000)


def test_what_is_chosen_is_opened_or_learnt_from(page, monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(_sources, "open_source", lambda path, **_: done.append(path) or Opened(path, None, None, None))
    monkeypatch.setattr(page, "_check_and_learn", done.append)
    page.ways.backbone.setCurrentIndex(page.ways.backbone.findData("nano"))
    page.ways.cells.emit(tmp_path / "cells")
    assert (done[0].images, done[0].backbone) == (str(tmp_path / "cells"), "nano")
    page.ways.source.emit(tmp_path)
    page.jobs._job._thread.join()
    assert done[1] == tmp_path


def test_it_goes_on_with_the_last_picture_in_one_click(qtbot, page, viewer, empty, atlas_path, tmp_path):
    from npe2 import PluginManager
    from skimage.io import imsave

    PluginManager.instance().discover()
    imsave(tmp_path / "smear.png", np.full((40, 50, 3), 200, dtype=np.uint8), check_contrast=False)
    layer = viewer.open(str(tmp_path / "smear.png"), plugin="napari")[0]
    page.picture_read(SimpleNamespace(layer=layer), "windows")
    page.recent.refresh()
    assert page.recent.texts == []
    page.open(atlas_path)
    idle(qtbot, page)
    page.picture_read(SimpleNamespace(layer=layer), "windows")
    viewer.layers.clear()
    empty.set_source(None, None)
    page.recent.refresh()
    assert page.recent.texts[0] == "Continue with smear.png"
    page.recent.findChildren(QPushButton)[-2].click()
    idle(qtbot, page)
    assert [layer.name for layer in viewer.layers] == ["smear"]
    assert empty.atlas.path == atlas_path
    assert page.kind == "windows"
