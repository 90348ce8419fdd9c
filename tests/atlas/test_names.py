from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from cytosae_toolkit.atlas.names import Annotations, names_path
from cytosae_toolkit.errors import CytosaeError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.names.jsonl"


@pytest.fixture
def names(path: Path) -> Annotations:
    return Annotations(path, "f00d", d_sae=100)


def test_the_latest_annotation_counts_and_the_history_stays(names, path):
    names.add(12, "granules", verdict="unclear", author="mk")
    names.add(12, "eosinophilic granules", verdict="concept", author="ra")
    assert names.current()[12].name == "eosinophilic granules"
    assert [(a.name, a.author) for a in names.history(12)] == [("granules", "mk"), ("eosinophilic granules", "ra")]
    reopened = Annotations(path, "f00d", d_sae=100)
    assert reopened.current() == names.current()
    assert reopened.current()[12].time.endswith("+00:00")
    assert reopened.current()[12].sae == "f00d"


def test_one_call_covers_many_latents_and_keeps_what_is_not_said(names):
    names.add([3, 4], "Auer rods", note="thin", verdict="concept")
    names.add(4, verdict="mixed")
    assert names.by_name() == {"Auer rods": [3, 4]}
    assert [(a.note, a.verdict) for a in names.current().values()] == [("thin", "concept"), ("thin", "mixed")]
    assert list(names.frame().columns) == ["latent", "name", "note", "verdict", "author", "time"]
    assert names.frame()["latent"].tolist() == [3, 4]


def test_an_entry_without_name_and_verdict_clears(names):
    names.add([3, 4], "Auer rods", note="thin", verdict="concept")
    names.clear(3)
    assert list(names.current()) == [4]
    assert len(names.history(3)) == 2
    names.add(4, "", verdict="")
    assert names.current() == {}
    assert names.frame().empty


def test_undo_walks_back_through_whole_changes(names, path):
    names.add(3, "first")
    names.add([3, 4], "second")
    restored = names.undo()
    assert [(a.latent, a.name) for a in restored] == [(3, "first"), (4, "")]
    assert {latent: a.name for latent, a in names.current().items()} == {3: "first"}
    Annotations(path, "f00d", d_sae=100).undo()
    names.reload_if_changed()
    assert names.current() == {}
    with pytest.raises(CytosaeError, match="no change to take back"):
        names.undo()
    names.add(5, "third")
    names.undo()
    assert names.current() == {}
    assert len(path.read_text().splitlines()) == 8


def test_completion_prefers_names_used_often(names):
    names.add([1], "granules, azurophilic")
    names.add([2, 3], "Granules, eosinophilic")
    names.add([4, 5, 6], "coarse granules")
    names.add([7], "gone")
    names.clear(7)
    assert names.complete("gR") == ["Granules, eosinophilic", "granules, azurophilic", "coarse granules"]
    assert names.complete("") == ["coarse granules", "Granules, eosinophilic", "granules, azurophilic"]
    assert names.complete("go") == []


def test_lines_of_another_sae_are_kept_and_ignored(names, path):
    Annotations(path, "beef", d_sae=5000).add(4000, "of another SAE")
    names.add(1, "own")
    assert list(names.current()) == [1]
    assert names.problems == []
    assert list(Annotations(path, "beef", d_sae=5000).current()) == [4000]


def test_a_last_line_cut_off_while_writing_costs_nothing_else(names, path):
    names.add(1, "one")
    names.add(2, "two")
    whole = path.read_bytes()
    for cut in range(len(whole.split(b"\n")[0]) + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        reopened = Annotations(path, "f00d", d_sae=100)
        assert list(reopened.current()) == [1]
        assert reopened.problems == []
    reopened.add(3, "three")
    again = Annotations(path, "f00d", d_sae=100)
    assert list(again.current()) in ([1, 3], [1, 2, 3])


def test_a_line_after_a_cut_off_one_starts_anew(names, path):
    names.add(1, "one")
    with path.open("a") as handle:
        handle.write('{"latent": 2, "na')
    names.add(3, "three")
    reopened = Annotations(path, "f00d", d_sae=100)
    assert list(reopened.current()) == [1, 3]
    assert len(reopened.problems) == 1
    assert "Line 2 of" in reopened.problems[0]


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff\xfe\n",
        b"[1, 2]\n",
        b'{"name": "no latent"}\n',
        b'{"latent": true, "name": "x"}\n',
        b'{"latent": 1, "name": 5}\n',
        b'{"latent": 1, "verdict": "perhaps"}\n',
        b"[" * 20_000 + b"\n",
        b'{"latent": 100, "name": "too far", "sae": "f00d"}\n',
    ],
)
def test_damaged_lines_are_reported_and_the_others_hold(names, path, damage):
    names.add(1, "one")
    good = path.read_bytes()
    path.write_bytes(damage + good)
    reopened = Annotations(path, "f00d", d_sae=100)
    assert list(reopened.current()) == [1]
    assert len(reopened.problems) == 1


def test_wrong_input_writes_nothing(names, path):
    for arguments, message in (
        (([1, 100], "x"), "no latent 100"),
        ((-1, "x"), "no latent -1"),
        ((1,), "Nothing is said"),
    ):
        with pytest.raises(CytosaeError, match=message):
            names.add(*arguments)
    with pytest.raises(CytosaeError, match="artefact"):
        names.add(1, "x", verdict="artifact")
    with pytest.raises(CytosaeError, match="needs a name or a verdict"):
        names.add(1, note="alone")
    assert not path.exists()


def test_text_is_cleaned(names):
    names.add(1, "  Auer\n rods\x00 ", note=" a\r\nb\x07\udcff ")
    assert (names.current()[1].name, names.current()[1].note) == ("Auer rods", "a\nb?")


def test_read_only_and_in_memory(path):
    with pytest.raises(CytosaeError, match="reading only"):
        Annotations(path, "f00d", d_sae=100, read_only=True).add(1, "x")
    with pytest.raises(CytosaeError, match="reading only"):
        Annotations(path, "f00d", d_sae=100, read_only=True).undo()
    kept = Annotations(None, "f00d", d_sae=100)
    kept.add(1, "x")
    kept.add(2, "y")
    kept.undo()
    assert list(kept.current()) == [1]


def test_changes_of_another_process_are_seen(names, path):
    other = Annotations(path, "f00d", d_sae=100)
    assert other.current() == {}
    names.add(1, "one")
    assert other.current() == {}
    assert other.reload_if_changed()
    assert not other.reload_if_changed()
    assert list(other.current()) == [1]
    names.add(1, verdict="concept")
    other.add(1, note="seen")
    assert (other.current()[1].verdict, other.current()[1].note) == ("concept", "seen")


def _write_many(path: Path, first: int) -> None:
    names = Annotations(path, "f00d", d_sae=100)
    for i in range(25):
        names.add([first + i, first + 25 + i], f"name {first + i}", note="n" * 500, author=str(first))


def test_two_processes_interleave(path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(path, first)) for first in (0, 50)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    names = Annotations(path, "f00d", d_sae=100)
    assert names.problems == []
    assert list(names.current()) == list(range(100))
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 100


@pytest.mark.parametrize("name", ["x.atlas.zarr", "x.zip", "x.atlas.zip", "x.zarr"])
def test_annotations_lie_beside_the_atlas(name):
    assert names_path(Path("/data") / name) == Path("/data/x.names.jsonl")


def test_taking_nothing_away_is_no_change(names):
    names.add(1, "one")
    for change in (lambda: names.add(2, ""), lambda: names.clear([2, 3])):
        with pytest.raises(CytosaeError, match="Nothing was said about latent 2"):
            change()
    assert [annotation.latent for annotation in names.clear([1, 2])] == [1, 2]
    names.undo()
    names.undo()
    assert names.current() == {}
