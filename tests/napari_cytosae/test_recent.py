from __future__ import annotations

import pytest
from qtpy.QtWidgets import QPushButton

from napari_cytosae import _kept
from napari_cytosae._recent import RecentList


@pytest.fixture
def heard():
    return []


@pytest.fixture
def recent(qtbot, heard):
    recent = RecentList(heard.append, lambda: heard.append("resume"), heard.append)
    qtbot.addWidget(recent)
    return recent


def test_what_was_opened_is_offered_with_its_folder(recent, heard, tmp_path):
    for name in ("old", "new"):
        (tmp_path / name / "demo.atlas.zarr").mkdir(parents=True)
        _kept.remember(tmp_path / name / "demo.atlas.zarr")
    recent.refresh()
    assert recent.texts == ["demo.atlas.zarr   in new", "demo.atlas.zarr   in old"]
    button = next(b for b in recent.findChildren(QPushButton) if b.text().endswith("old"))
    assert button.toolTip() == str(tmp_path / "old" / "demo.atlas.zarr")
    button.click()
    assert heard == [tmp_path / "old" / "demo.atlas.zarr"]


def test_a_lesson_that_was_begun_comes_first(recent, heard):
    _kept.remember_lesson({"images": "/cells", "out": "/out", "backbone": "nano"})
    recent.refresh()
    recent.refresh()
    assert recent.texts == ["Go on learning from cells"]
    recent.findChildren(QPushButton)[-1].click()
    assert heard == ["resume"]


def test_the_last_picture_comes_first_as_long_as_it_is_there(recent, heard, tmp_path):
    smear, atlas = tmp_path / "smear.png", tmp_path / "a.atlas.zarr"
    smear.touch()
    atlas.mkdir()
    _kept.remember_lesson({"images": "/cells", "out": "/out", "backbone": "nano"})
    _kept.remember_picture({"picture": str(smear), "reader": "napari", "source": str(atlas), "kind": "cell"})
    recent.refresh()
    assert recent.texts == ["Continue with smear.png", "Go on learning from cells"]
    recent.findChildren(QPushButton)[0].click()
    assert (heard[0].picture, heard[0].source) == (smear, atlas)
    smear.unlink()
    recent.refresh()
    assert recent.texts == ["Go on learning from cells"]
