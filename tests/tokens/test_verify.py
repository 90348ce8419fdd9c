from __future__ import annotations

import json

import pytest
from token_parts import Images, computer, contents, filled

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenStore, extract, verify_store

IMAGES = Images(range(200), broken=[7])


def test_sound_store(tmp_path):
    filled(tmp_path / "s", IMAGES)
    found = verify_store(tmp_path / "s")
    assert found.ok
    assert (found.n_images, found.n_blocks) == (199, 4)


def _flip(path, place):
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda store: _flip(store.shard_path(1), 100), "differs from the digest"),
        (lambda store: _flip(store.shard_path(1), -1), "damaged index"),
        (lambda store: store.shard_path(1).write_bytes(b""), "has 0 bytes"),
        (lambda store: store.shard_path(1).unlink(), "cannot be read"),
        (lambda store: (store.path / "index" / "block-00000001.json").write_text("{"), "not readable JSON"),
    ],
)
def test_damage_is_found_and_deleting_the_record_mends_it(tmp_path, damage, words):
    store = filled(tmp_path / "s", IMAGES)
    before = contents(tmp_path / "s")
    damage(store)
    found = verify_store(tmp_path / "s")
    assert len(found.problems) == 1
    assert words in found.problems[0]
    assert not found.ok
    for record in found.faulty_records:
        record.unlink()
    extract(IMAGES, computer(), TokenStore.open(tmp_path / "s"))
    assert verify_store(tmp_path / "s").ok
    assert contents(tmp_path / "s") == before


@pytest.mark.parametrize(("shape", "words"), [([64, 10, 8], "64 rows"), ([256, 10, 9], "does not fit")])
def test_array_that_does_not_fit(tmp_path, shape, words):
    filled(tmp_path / "s", IMAGES)
    path = tmp_path / "s" / "tokens" / "zarr.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "shape": shape}))
    assert words in verify_store(tmp_path / "s").problems[0]


def test_something_else(tmp_path):
    with pytest.raises(CytosaeError, match="not a token store"):
        verify_store(tmp_path)
