from __future__ import annotations

import numpy as np
import pytest
import zarr
from token_parts import Images, filled

from cytosae_toolkit.tokens.shards import BLOCK, INDEX_BYTES, shard_parts, shard_problem


def _tokens(n):
    return np.random.default_rng(0).normal(size=(n, 3, 4)).astype("<f2")


def test_zarr_reads_what_we_write_and_writes_as_many_bytes(tmp_path):
    store = filled(tmp_path / "s", Images(range(BLOCK)))
    ours = store.shard_path(0).read_bytes()
    array = zarr.open_array(tmp_path / "s" / "tokens", mode="r+")
    values = array[:BLOCK]
    store.shard_path(0).unlink()
    array[:BLOCK] = values
    theirs = store.shard_path(0).read_bytes()
    assert len(ours) == len(theirs)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "s" / "tokens", mode="r")[:], values)
    assert np.abs(values).sum() > 0


def test_image_r_lies_at_r_times_the_bytes_of_an_image():
    tokens = _tokens(5)
    tokens[[1, 4]] = 0
    raw = b"".join(shard_parts(tokens, np.array([True, False, True, True, False])))
    size = tokens[0].nbytes
    assert raw[2 * size : 3 * size] == tokens[2].tobytes()
    assert raw[size : 2 * size] == bytes(size)
    assert len(raw) == 4 * size + INDEX_BYTES


def test_shard_without_images_is_an_index_only():
    present = np.zeros(3, dtype=bool)
    raw = b"".join(shard_parts(_tokens(3), present))
    assert len(raw) == INDEX_BYTES
    assert shard_problem(raw, 24, present) is None


@pytest.mark.parametrize(
    ("damage", "words"), [(lambda r: r[:-1], "bytes instead of"), (lambda r: r[:-1] + b"x", "damaged index")]
)
def test_damage_is_named(damage, words):
    present = np.ones(3, dtype=bool)
    raw = b"".join(shard_parts(_tokens(3), present))
    assert shard_problem(raw, 24, present) is None
    assert words in shard_problem(damage(raw), 24, present)
