from __future__ import annotations

from pathlib import Path

import pytest

from cytosae_toolkit.atlas.reading import open_atlas
from cytosae_toolkit.progress import SILENT, Stopped
from cytosae_toolkit.training.trainer import Interrupted
from napari_cytosae._jobs import JobProgress
from napari_cytosae._learning import ATLAS, Lesson, learn, lesson_of, weights_of

TINY = {"steps": 6, "expansion": 0.5, "batch_tokens": 256, "init_tokens": 256}


@pytest.fixture
def lesson(tiny_images, tmp_path) -> Lesson:
    return Lesson(str(tiny_images), str(tmp_path / "made"), "nano")


def progress(stop=lambda: False) -> JobProgress:
    return JobProgress(SILENT, stop)


def test_it_makes_an_atlas_and_keeps_it(lesson, no_loggers, no_trials):
    path = learn(lesson, progress(), device="cpu", **TINY)
    assert path == Path(lesson.out) / ATLAS
    assert open_atlas(path).n_images == 24
    before = path.stat().st_mtime_ns
    assert learn(lesson, progress(), device="cpu", **TINY) == path
    assert path.stat().st_mtime_ns == before


def test_stopped_in_the_middle_it_goes_on(lesson, no_loggers, no_trials):
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 5

    with pytest.raises((Stopped, Interrupted)):
        learn(lesson, progress(stop), device="cpu", **TINY)
    assert Path(lesson.out).is_dir()
    assert not (Path(lesson.out) / ATLAS).exists()
    assert learn(lesson, progress(), device="cpu", **TINY).exists()


def test_what_is_made_lies_beside_the_folder():
    lesson = lesson_of(Path("/data/cells"), "nano")
    assert lesson.out == str(Path("/data/cells-concepts-nano"))
    assert Lesson(**lesson.to_json()) == lesson


def test_only_backbones_with_published_weights_need_a_download():
    assert weights_of("nano") is None
    assert "DinoBloom" in weights_of("dinobloom-b").file.name
