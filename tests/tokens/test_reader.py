from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_parts import Images, computer, filled

from cytosae_toolkit.errors import CytosaeError
from cytosae_toolkit.tokens import TokenView, extract, open_view
from cytosae_toolkit.tokens.reader import read_rows


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("reader") / "s", Images(range(150)))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_reading_equals_zarr(tmp_path, dtype):
    store = filled(tmp_path / "s", Images(range(150)), dtype=dtype)
    rows = np.random.default_rng(0).integers(0, 150, 200)
    found = read_rows(store, rows)
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, store.array[:][rows])


@given(st.lists(st.integers(0, 149), max_size=40))
@settings(max_examples=40, deadline=None)
def test_any_rows_in_any_order(store, rows):
    whole = store.array[:]
    np.testing.assert_array_equal(read_rows(store, np.array(rows, dtype=np.int64)), whole[rows])


def test_view_of_a_permuted_subset(store):
    numbers = [77, 3, 149, 64, 63]
    view = open_view(store, Images(numbers))
    assert (len(view), view.n_tokens, view.d_model) == (5, 10, 8)
    np.testing.assert_array_equal(view.read(range(5)), store.array[:][numbers])
    np.testing.assert_array_equal(view.read([-1, 0]), store.array[:][[63, 77]])
    np.testing.assert_array_equal(view.subset([2, 0]).read([0, 1]), store.array[:][[149, 77]])
    assert view.subset([2, 0]).table_rows.tolist() == [2, 0]


def test_missing_images_are_counted(store):
    with pytest.raises(CytosaeError, match="2 of 4 images have no tokens"):
        open_view(store, Images([1, 500, 2, 501]))


def test_unreadable_images_are_left_out_and_listed(tmp_path):
    images = Images(range(5), broken=[2])
    view = open_view(filled(tmp_path / "s", images), images)
    assert view.table_rows.tolist() == [0, 1, 3, 4]
    assert [item.reason for item in view.skipped] == ["it is broken"]


def test_position_outside_the_view(store):
    with pytest.raises(IndexError):
        open_view(store, Images([1, 2])).read([2])


def test_fingerprint_is_of_the_ordered_content(store):
    first = open_view(store, Images([1, 2, 3]))
    assert first.fingerprint == open_view(store, Images([1, 2, 3])).fingerprint
    assert first.fingerprint != open_view(store, Images([1, 3, 2])).fingerprint


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_shard_is_named(tmp_path, damage):
    store = filled(tmp_path / "s", Images(range(10)))
    shard = store.shard_path(0)
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(CytosaeError, match=r"c\.0\.0\.0 is missing or cut off.*block-00000000\.json"):
        open_view(store, Images(range(10))).read([9])


def test_a_view_outlives_growth_of_its_store(tmp_path):
    store = filled(tmp_path / "s", Images(range(10)))
    view = TokenView(store, Images([4]).content_keys())
    before = view.read([0])
    extract(Images(range(200)), computer(), store)
    np.testing.assert_array_equal(view.read([0]), before)
