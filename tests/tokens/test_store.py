from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest
import zarr
from token_parts import Images, computer, contents, filled

from cytosae_toolkit import files
from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenStore, extract
from cytosae_toolkit.tokens.folder import FORMAT


def test_the_store_is_a_documented_zarr_group(tmp_path):
    filled(tmp_path / "s", Images(range(70)))
    group = zarr.open_group(tmp_path / "s", mode="r")
    assert group.attrs["format"] == FORMAT
    assert group.attrs["layer"] == 2
    assert group.attrs["grid"] == [3, 3]
    array = group["tokens"]
    assert (array.shape, array.dtype, array.chunks, array.shards) == (
        (128, 10, 8),
        np.float16,
        (1, 10, 8),
        (64, 10, 8),
    )
    assert array.metadata.dimension_names == ("image", "token", "d_model")


def test_rows_follow_content_not_place(tmp_path):
    store = filled(tmp_path / "s", Images(range(10)))
    assert store.rows(Images([7, 3, 99]).content_keys()).tolist() == [7, 3, -1]
    assert len(store) == 10
    assert Images([4]).content_keys()[0] in store


def test_growth_starts_a_new_block(tmp_path):
    store = filled(tmp_path / "s", Images(range(10)))
    extract(Images(range(5, 15)), computer(), store)
    assert store.rows(Images([9, 10, 14]).content_keys()).tolist() == [9, 64, 68]
    assert store.array.shape[0] == 128


def test_reopened_store_is_the_same(tmp_path):
    first = filled(tmp_path / "s", Images(range(10)))
    again = TokenStore.open(tmp_path / "s")
    assert again.identity == first.identity
    assert dict(again.blocks) == dict(first.blocks)
    assert "10 images" in repr(again)


def test_store_of_other_tokens_is_refused_and_both_are_named(tmp_path):
    filled(tmp_path / "s", Images(range(3)))
    other = replace(computer().identity, layer=1)
    with pytest.raises(CytosaeError, match=r"layer 2.*asked for is.*layer 1"):
        TokenStore.open_or_create(tmp_path / "s", other)


def test_absent_store(tmp_path):
    with pytest.raises(CytosaeError, match="no token store at"):
        TokenStore.open(tmp_path / "none")


def test_later_format_is_refused(tmp_path):
    filled(tmp_path / "s", Images(range(3)))
    path = tmp_path / "s" / "zarr.json"
    value = json.loads(path.read_text())
    value["attributes"]["version"] = 2
    path.write_text(json.dumps(value))
    with pytest.raises(CytosaeError, match="format version 2"):
        TokenStore.open(tmp_path / "s")


@pytest.mark.parametrize("text", ["{", "[]", '{"block": 1, "keys": [], "unreadable": {}, "digest": ""}'])
def test_damaged_record_is_named(tmp_path, text):
    filled(tmp_path / "s", Images(range(3)))
    record = tmp_path / "s" / "index" / "block-00000000.json"
    record.write_text(text)
    with pytest.raises(CytosaeError, match=r"block-00000000\.json"):
        TokenStore.open(tmp_path / "s")


def test_deleted_record_is_computed_again_with_the_same_bytes(tmp_path):
    filled(tmp_path / "s", Images(range(130)))
    before = contents(tmp_path / "s")
    (tmp_path / "s" / "index" / "block-00000001.json").unlink()
    store = TokenStore.open(tmp_path / "s")
    assert len(store) == 66
    assert extract(Images(range(130)), computer(), store).n_new == 64
    assert contents(tmp_path / "s") == before


def test_full_disk_is_a_sentence_and_leaves_complete_blocks(tmp_path, monkeypatch):
    real, calls = files.os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    made = computer()
    store = TokenStore.create(tmp_path / "s", made.identity)
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(CytosaeError, match="disk is full"):
        extract(Images(range(300)), made, store)
    monkeypatch.setattr(files.os, "fsync", real)
    kept = len(TokenStore.open(tmp_path / "s"))
    assert kept in (64, 128)
    assert not list((tmp_path / "s").rglob("*.tmp"))
    extract(Images(range(300)), made, TokenStore.open(tmp_path / "s"))
    filled(tmp_path / "whole", Images(range(300)))
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_leftovers_of_killed_processes_are_swept_when_old(tmp_path):
    store = filled(tmp_path / "s", Images(range(3)))
    old, young = (tmp_path / "s" / "tokens" / f".c.9.0.0.{name}.tmp" for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"part")
    os.utime(old, (time.time() - 7200,) * 2)
    extract(Images(range(5)), computer(), store)
    assert (old.exists(), young.exists()) == (False, True)
