from __future__ import annotations

import json

import pytest

from cytosae_toolkit.atlas.sweep import SweepFile, expand, runs_of
from cytosae_toolkit.atlas.sweep.folder import SweepFolder, sentence
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.progress import Stopped

FACTS = {"images": ["a"], "images_digest": "1"}


@pytest.fixture
def run():
    return runs_of(expand(SweepFile("s", "", None, {}, ({},), (0,))), (0,))[0]


def test_states(tmp_path, run):
    folder = SweepFolder(tmp_path)
    assert folder.state(run) == "waiting"
    folder.record_failure(run, CytosaeError("It broke.", "Mend it."))
    assert (folder.state(run), folder.failure(run)) == ("failed", "It broke. Mend it.")
    folder.forget_failure(run)
    folder.run_path(run).mkdir(parents=True)
    (folder.run_path(run) / "config.json").write_text('{"format": "cytosae-run", "version": 1}')
    assert (folder.state(run), folder.failure(run)) == ("started", None)


def test_a_failure_says_where_it_came_from(tmp_path, run):
    folder = SweepFolder(tmp_path)
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError as error:
        folder.record_failure(run, error)
    record = json.loads(folder.failure_path(run).read_text())
    assert record["error"] == "Something unexpected happened: ZeroDivisionError: by zero."
    assert "test_folder.py" in record["traceback"]
    assert sentence(MemoryError()).startswith("Memory ran out")


def test_one_process_at_a_time_has_a_name(tmp_path):
    folder, waited = SweepFolder(tmp_path), []
    with folder.claim("a") as mine, SweepFolder(tmp_path).claim("a") as theirs, folder.claim("b") as other:
        assert (mine, theirs, other) == (True, False, True)
        with pytest.raises(Stopped), folder.turn("a", lambda: waited.append(1), stop=lambda: len(waited) > 0):
            pass
    assert waited == [1]
    with folder.turn("a", lambda: waited.append(2)):
        assert waited == [1]


def test_other_images_and_foreign_folders_are_refused(tmp_path):
    folder = SweepFolder(tmp_path / "s")
    assert folder.check() is None
    folder.begin(FACTS)
    folder.begin(FACTS | {"file": "b"})
    with pytest.raises(CytosaeError, match="begun on other images: a"):
        folder.begin(FACTS | {"images_digest": "2"})
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CytosaeError, match="is not a sweep"):
        SweepFolder(tmp_path).check()
    (tmp_path / "s" / "sweep.json").write_text('{"format": "cytosae-sweep", "version": 9}')
    with pytest.raises(CytosaeError, match="version 9"):
        folder.check()
